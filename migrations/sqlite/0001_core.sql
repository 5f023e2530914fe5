-- Apps, people and devices; notifications, their work and what became of it.
-- Instants are microseconds since 1970, ids of notifications are the 16 bytes of a UUIDv7, documents are JSON.

CREATE TABLE app (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE api_key (
    id BLOB NOT NULL PRIMARY KEY,
    app INTEGER NOT NULL,
    name TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    expires_at INTEGER,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX api_key_by_app ON api_key (app, created_at);

-- `version` begins at the instant of the declaration and grows, so that one declared anew never has a version of the one before.
CREATE TABLE category (
    app INTEGER NOT NULL,
    name TEXT NOT NULL,
    definition TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (app, name)
) STRICT, WITHOUT ROWID;

-- A version of 0 means that the document was never written.
CREATE TABLE person (
    pk INTEGER PRIMARY KEY AUTOINCREMENT,
    app INTEGER NOT NULL,
    name TEXT NOT NULL,
    timezone TEXT,
    preferences TEXT,
    preferences_version INTEGER NOT NULL DEFAULT 0,
    contacts TEXT,
    contacts_version INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX person_by_name ON person (app, name);

-- A row without a token is a name that was addressed before it registered: readers treat it as absent.
CREATE TABLE device (
    pk INTEGER PRIMARY KEY AUTOINCREMENT,
    app INTEGER NOT NULL,
    name TEXT NOT NULL,
    person_pk INTEGER,
    person_since INTEGER NOT NULL DEFAULT 0,
    status TEXT NOT NULL,
    inactive_reason TEXT,
    platform TEXT,
    provider TEXT,
    environment TEXT,
    token TEXT,
    token_hash BLOB,
    token_seen_at INTEGER,
    permission TEXT,
    timezone TEXT,
    locale TEXT,
    app_version TEXT,
    os_version TEXT,
    model TEXT,
    tags TEXT NOT NULL DEFAULT '{}',
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    version INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX device_by_name ON device (app, name);
CREATE UNIQUE INDEX device_by_token ON device (app, provider, token_hash) WHERE status = 'active';
CREATE INDEX device_by_person ON device (person_pk) WHERE person_pk IS NOT NULL;
CREATE INDEX device_by_age ON device (app, created_at, pk) WHERE token IS NOT NULL;
CREATE INDEX device_of_app ON device (app, pk);

CREATE TABLE notification (
    app INTEGER NOT NULL,
    id BLOB NOT NULL,
    category TEXT,
    labels TEXT,
    fan_out INTEGER NOT NULL,
    accepted_at INTEGER NOT NULL,
    start_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    narrowed TEXT,
    content BLOB NOT NULL,
    PRIMARY KEY (app, id)
) STRICT, WITHOUT ROWID;

-- One per fan-out, and one for a direct notification only when it is cancelled.
-- `open`: it may have work. `targeted`: devices taken from an expanding audience; null where the audience was named.
CREATE TABLE run (
    notification_id BLOB NOT NULL PRIMARY KEY,
    app INTEGER NOT NULL,
    fan_out INTEGER NOT NULL,
    status TEXT NOT NULL,
    start_at INTEGER NOT NULL,
    open INTEGER NOT NULL,
    targeted INTEGER,
    cursor INTEGER NOT NULL DEFAULT 0,
    hi INTEGER,
    served_at INTEGER NOT NULL DEFAULT 0,
    changed_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX run_changed ON run (changed_at) WHERE changed_at IS NOT NULL;
CREATE INDEX run_open ON run (served_at) WHERE open = 1;

-- `lease_until` and `guard_until` are 0 where there is none; a guarded row was published and is not published again before.
CREATE TABLE work (
    notification_id BLOB NOT NULL,
    id INTEGER NOT NULL,
    app INTEGER NOT NULL,
    kind TEXT NOT NULL,
    stream TEXT NOT NULL,
    fan_out INTEGER NOT NULL,
    targets BLOB NOT NULL,
    n INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    reason TEXT,
    first INTEGER NOT NULL,
    made_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    lease_until INTEGER NOT NULL DEFAULT 0,
    guard_until INTEGER NOT NULL DEFAULT 0,
    epoch INTEGER NOT NULL DEFAULT 0,
    takes INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (notification_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX work_direct ON work (stream, due_at) WHERE fan_out = 0;
CREATE INDEX work_fan_out ON work (notification_id, due_at) WHERE fan_out = 1;

-- Keyed by day first, so that the end of a retention is one ranged DELETE.
CREATE TABLE delivery (
    day INTEGER NOT NULL,
    notification_id BLOB NOT NULL,
    target INTEGER NOT NULL,
    channel TEXT NOT NULL DEFAULT 'push',
    person_pk INTEGER,
    state TEXT NOT NULL,
    reason TEXT,
    attempts INTEGER NOT NULL,
    provider TEXT,
    message_id TEXT,
    detail TEXT,
    at INTEGER NOT NULL,
    delivered_at INTEGER,
    opened_at INTEGER,
    dismissed_at INTEGER,
    PRIMARY KEY (day, notification_id, target, channel)
) STRICT, WITHOUT ROWID;

-- Fan-outs only; receipts are counted under their own words in the place of a state.
CREATE TABLE notification_count (
    notification_id BLOB NOT NULL,
    shard INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (notification_id, shard, state, reason)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
    app INTEGER NOT NULL,
    route TEXT NOT NULL,
    key TEXT NOT NULL,
    body_hash BLOB NOT NULL,
    answer BLOB NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (app, route, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (at);

CREATE TABLE shown (
    device_pk INTEGER NOT NULL,
    key_hash BLOB NOT NULL,
    notification_id BLOB NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (device_pk, key_hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX shown_by_age ON shown (at);

CREATE TABLE receipt_early (
    notification_id BLOB NOT NULL,
    device_pk INTEGER NOT NULL,
    kind TEXT NOT NULL,
    app INTEGER NOT NULL,
    at INTEGER,
    seen_at INTEGER NOT NULL,
    PRIMARY KEY (notification_id, device_pk, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX receipt_early_by_age ON receipt_early (seen_at);
