-- Secrets of this store, by name: base64, sealed where there is an encryption key.
CREATE TABLE secret (
    name text PRIMARY KEY,
    value text NOT NULL,
    created_at timestamptz NOT NULL
);
-- The keys that values may be sealed with, each with a text that it sealed: who has none that opens it is refused.
CREATE TABLE seal_key (
    id text PRIMARY KEY,
    proof text NOT NULL
);
-- The key of whoever opened the store last, `plain` for none, and how far what is there has been sealed anew with it.
CREATE TABLE sealing (
    one integer PRIMARY KEY CHECK (one = 1),
    key text NOT NULL,
    part text NOT NULL,
    cursor bigint NOT NULL,
    changed bigint NOT NULL
);
INSERT INTO sealing (one, key, part, cursor, changed) VALUES (1, 'plain', 'over', 0, 0);

-- Daemons that read no sealed values must not work beside those that write them.
UPDATE schema_floor SET version = 13;
