-- Secrets of this store, by name: base64, sealed where there is an encryption key.
CREATE TABLE secret (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- The keys that values may be sealed with, each with a text that it sealed: who has none that opens it is refused.
CREATE TABLE seal_key (
    id TEXT NOT NULL PRIMARY KEY,
    proof TEXT NOT NULL
) STRICT, WITHOUT ROWID;
-- The key of whoever opened the store last, `plain` for none, and how far what is there has been sealed anew with it.
CREATE TABLE sealing (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    key TEXT NOT NULL,
    part TEXT NOT NULL,
    cursor INTEGER NOT NULL,
    changed INTEGER NOT NULL
) STRICT;
INSERT INTO sealing (one, key, part, cursor, changed) VALUES (1, 'plain', 'over', 0, 0);
