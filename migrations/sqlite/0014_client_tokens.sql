-- Client tokens that descend from one sign-in on one installation. Of their refresh tokens only the hash of the newest is kept.
-- `seen`: the newest was used, so that the one before has no grace any more.
CREATE TABLE token_family (
    id BLOB NOT NULL PRIMARY KEY,
    app INTEGER NOT NULL,
    person_pk INTEGER,
    device_pk INTEGER,
    generation INTEGER NOT NULL,
    refresh_hash BLOB NOT NULL,
    renewed_at INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    revoked_at INTEGER,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX token_family_of_person ON token_family (person_pk) WHERE person_pk IS NOT NULL;
CREATE INDEX token_family_of_device ON token_family (device_pk) WHERE device_pk IS NOT NULL;
CREATE INDEX token_family_by_end ON token_family (expires_at);
