-- Of an API key: whether its hash is a keyed one (else it is the SHA-256 of its text), when it was used last, and which key took its place.
ALTER TABLE api_key ADD COLUMN keyed boolean NOT NULL DEFAULT false;
ALTER TABLE api_key ADD COLUMN last_used_at timestamptz;
ALTER TABLE api_key ADD COLUMN rotated_to uuid;

-- Who changed what of an app, in words of the API. `status` is null until it is over.
CREATE TABLE audit (
    id uuid PRIMARY KEY,
    app bigint NOT NULL,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    key_id uuid,
    key_name text,
    request_id text,
    act text NOT NULL,
    object text,
    status smallint
);
CREATE INDEX audit_of_app ON audit (app, at, id);
CREATE INDEX audit_by_age ON audit (at);

-- Daemons that look for the SHA-256 of a key find none of them any more.
UPDATE schema_floor SET version = 15;
