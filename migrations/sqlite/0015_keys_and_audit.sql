-- Of an API key: whether its hash is a keyed one (else it is the SHA-256 of its text), when it was used last, and which key took its place.
ALTER TABLE api_key ADD COLUMN keyed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE api_key ADD COLUMN last_used_at INTEGER;
ALTER TABLE api_key ADD COLUMN rotated_to BLOB;

-- Who changed what of an app, in words of the API. `status` is null until it is over.
CREATE TABLE audit (
    id BLOB NOT NULL PRIMARY KEY,
    app INTEGER NOT NULL,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    key_id BLOB,
    key_name TEXT,
    request_id TEXT,
    act TEXT NOT NULL,
    object TEXT,
    status INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_of_app ON audit (app, at, id);
CREATE INDEX audit_by_age ON audit (at);
