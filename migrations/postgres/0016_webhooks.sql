-- Where apps want to be told of what. Secrets are base64, sealed where there is an encryption key; the one before signs until its end.
-- Whoever gathers items of a webhook, or claims its messages, locks its row.
CREATE TABLE webhook (
    id uuid PRIMARY KEY,
    app bigint NOT NULL,
    url text NOT NULL,
    events json NOT NULL,
    secret text NOT NULL,
    previous_secret text,
    previous_until timestamptz,
    disabled text,
    failing_since timestamptz,
    served_at timestamptz NOT NULL DEFAULT '-infinity',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX webhook_of_app ON webhook (app, created_at, id);
-- What is still to be told, written with the fact: up to 500 items of one type from one transaction, a JSON list.
CREATE TABLE webhook_item (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook uuid NOT NULL,
    event text NOT NULL,
    n bigint NOT NULL,
    at timestamptz NOT NULL,
    data text NOT NULL
);
CREATE INDEX webhook_item_of_webhook ON webhook_item (webhook, event, id);
CREATE INDEX webhook_item_by_age ON webhook_item (at, webhook, event, n);
-- Messages made of them; `event` is null for a test. One that is held is not due before its lease ends.
CREATE TABLE webhook_message (
    id uuid PRIMARY KEY,
    webhook uuid NOT NULL,
    event text,
    status text NOT NULL,
    attempts bigint NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL,
    lease_until timestamptz,
    until timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    data text NOT NULL
);
CREATE INDEX webhook_message_due ON webhook_message (webhook, next_at, id) WHERE status = 'waiting';
CREATE INDEX webhook_message_due_test ON webhook_message (webhook, next_at, id) WHERE status = 'waiting' AND event IS NULL;
CREATE INDEX webhook_message_held ON webhook_message (webhook, lease_until) WHERE status = 'waiting' AND lease_until IS NOT NULL;
CREATE INDEX webhook_message_of_webhook ON webhook_message (webhook, created_at, id);
CREATE INDEX webhook_message_over ON webhook_message (created_at) WHERE status <> 'waiting';
CREATE TABLE webhook_attempt (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook uuid NOT NULL,
    message uuid NOT NULL,
    event text,
    at timestamptz NOT NULL,
    took_ms bigint NOT NULL,
    status bigint,
    error text
);
CREATE INDEX webhook_attempt_of_webhook ON webhook_attempt (webhook, at, id);
CREATE INDEX webhook_attempt_by_age ON webhook_attempt (at);

-- Daemons that write facts without their items must not work beside the newer ones: what they record would never be told.
UPDATE schema_floor SET version = 16;
