-- A device's other addresses: for calls, for location queries, for the Live Activities that a push may start and for those that run.
-- Each goes with its device and when the device's user changes.
CREATE TABLE device_token (
    device_pk bigint NOT NULL,
    kind text NOT NULL,
    app bigint NOT NULL,
    token text NOT NULL,
    token_hash bytea NOT NULL,
    environment text NOT NULL,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (device_pk, kind)
);
CREATE INDEX device_token_by_hash ON device_token (app, token_hash);
