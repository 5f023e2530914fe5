-- Where apps want to be told of what. Secrets are base64, sealed where there is an encryption key; the one before signs until its end.
CREATE TABLE webhook (
    id BLOB NOT NULL PRIMARY KEY,
    app INTEGER NOT NULL,
    url TEXT NOT NULL,
    events TEXT NOT NULL,
    secret TEXT NOT NULL,
    previous_secret TEXT,
    previous_until INTEGER,
    disabled TEXT,
    failing_since INTEGER,
    served_at INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_of_app ON webhook (app, created_at, id);
-- What is still to be told, written with the fact: up to 500 items of one type from one transaction, a JSON list.
CREATE TABLE webhook_item (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook BLOB NOT NULL,
    event TEXT NOT NULL,
    n INTEGER NOT NULL,
    at INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX webhook_item_of_webhook ON webhook_item (webhook, event, id);
CREATE INDEX webhook_item_by_age ON webhook_item (at, webhook, event, n);
-- Messages made of them; `event` is null for a test. One that is held is not due before its lease ends.
CREATE TABLE webhook_message (
    id BLOB NOT NULL PRIMARY KEY,
    webhook BLOB NOT NULL,
    event TEXT,
    status TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER NOT NULL,
    lease_until INTEGER,
    until INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX webhook_message_due ON webhook_message (webhook, next_at, id) WHERE status = 'waiting';
CREATE INDEX webhook_message_due_test ON webhook_message (webhook, next_at) WHERE status = 'waiting' AND event IS NULL;
CREATE INDEX webhook_message_held ON webhook_message (webhook, lease_until) WHERE status = 'waiting' AND lease_until IS NOT NULL;
CREATE INDEX webhook_message_of_webhook ON webhook_message (webhook, created_at, id);
CREATE INDEX webhook_message_over ON webhook_message (created_at) WHERE status <> 'waiting';
CREATE TABLE webhook_attempt (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook BLOB NOT NULL,
    message BLOB NOT NULL,
    event TEXT,
    at INTEGER NOT NULL,
    took_ms INTEGER NOT NULL,
    status INTEGER,
    error TEXT
) STRICT;
CREATE INDEX webhook_attempt_of_webhook ON webhook_attempt (webhook, at, id);
CREATE INDEX webhook_attempt_by_age ON webhook_attempt (at);
