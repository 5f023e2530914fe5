-- Client tokens that descend from one sign-in on one installation. Of their refresh tokens only the hash of the newest is kept.
-- `seen`: the newest was used, so that the one before has no grace any more.
CREATE TABLE token_family (
    id uuid PRIMARY KEY,
    app bigint NOT NULL,
    person_pk bigint,
    device_pk bigint,
    generation bigint NOT NULL,
    refresh_hash bytea NOT NULL,
    renewed_at timestamptz NOT NULL,
    seen boolean NOT NULL,
    revoked_at timestamptz,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX token_family_of_person ON token_family (person_pk) WHERE person_pk IS NOT NULL;
CREATE INDEX token_family_of_device ON token_family (device_pk) WHERE device_pk IS NOT NULL;
CREATE INDEX token_family_by_end ON token_family (expires_at);

-- Daemons that revoke nothing when a device goes or its user changes must not work beside the newer ones.
UPDATE schema_floor SET version = 14;
