-- A device's other addresses: for calls, for location queries, for the Live Activities that a push may start and for those that run.
-- Each goes with its device and when the device's user changes.
CREATE TABLE device_token (
    device_pk INTEGER NOT NULL,
    kind TEXT NOT NULL,
    app INTEGER NOT NULL,
    token TEXT NOT NULL,
    token_hash BLOB NOT NULL,
    environment TEXT NOT NULL,
    seen_at INTEGER NOT NULL,
    PRIMARY KEY (device_pk, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX device_token_by_hash ON device_token (app, token_hash);
