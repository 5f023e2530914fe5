-- Apps, people and devices; notifications, their work and what became of it.
-- `notification` and `delivery` are partitioned by day; the daemon makes a partition when the first row of its day comes.

CREATE TABLE app (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE
);

CREATE TABLE api_key (
    id uuid PRIMARY KEY,
    app bigint NOT NULL,
    name text NOT NULL,
    hash bytea NOT NULL UNIQUE,
    scopes text[] NOT NULL,
    expires_at timestamptz,
    created_at timestamptz NOT NULL
);
CREATE INDEX api_key_by_app ON api_key (app, created_at);

-- `version` begins at the instant of the declaration in microseconds and grows, so that one declared anew never has a version of the one before.
CREATE TABLE category (
    app bigint NOT NULL,
    name text NOT NULL,
    definition json NOT NULL,
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (app, name)
);

-- A version of 0 means that the document was never written.
CREATE TABLE person (
    pk bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    app bigint NOT NULL,
    name text NOT NULL,
    timezone text,
    preferences json,
    preferences_version bigint NOT NULL DEFAULT 0,
    contacts json,
    contacts_version bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX person_by_name ON person (app, name);

-- A row without a token is a name that was addressed before it registered: readers treat it as absent.
-- Registrations touch no indexed column but the token's, and the fillfactor leaves them room.
CREATE TABLE device (
    pk bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    app bigint NOT NULL,
    name text NOT NULL,
    person_pk bigint,
    person_since timestamptz NOT NULL DEFAULT 'epoch',
    status text NOT NULL,
    inactive_reason text,
    platform text,
    provider text,
    environment text,
    token text,
    token_hash bytea,
    token_seen_at timestamptz,
    permission text,
    timezone text,
    locale text,
    app_version text,
    os_version text,
    model text,
    tags jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    version bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX device_by_token ON device (app, provider, token_hash) WHERE status = 'active';
CREATE INDEX device_by_person ON device (person_pk) WHERE person_pk IS NOT NULL;
CREATE INDEX device_by_age ON device (app, created_at, pk) WHERE token IS NOT NULL;
CREATE INDEX device_of_app ON device (app, pk);
-- The last one made: of indexes that seem as good as each other, as all do while the table is empty, the planner takes that.
CREATE UNIQUE INDEX device_by_name ON device (app, name);

-- Ids are UUIDv7 and begin with their instant, so that a range of ids is a day.
CREATE TABLE notification (
    app bigint NOT NULL,
    id uuid NOT NULL,
    category text,
    labels json,
    fan_out boolean NOT NULL,
    accepted_at timestamptz NOT NULL,
    start_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    narrowed json,
    content bytea NOT NULL,
    PRIMARY KEY (app, id)
) PARTITION BY RANGE (id);

-- One per fan-out, and one for a direct notification only when it is cancelled.
-- `open`: it may have work. `targeted`: devices taken from an expanding audience; null where the audience was named.
CREATE TABLE run (
    notification_id uuid PRIMARY KEY,
    app bigint NOT NULL,
    fan_out boolean NOT NULL,
    status text NOT NULL,
    start_at timestamptz NOT NULL,
    open boolean NOT NULL,
    targeted bigint,
    cursor bigint NOT NULL DEFAULT 0,
    hi bigint,
    served_at timestamptz NOT NULL DEFAULT '-infinity',
    changed_at timestamptz
) WITH (fillfactor = 60);
CREATE INDEX run_changed ON run (changed_at) WHERE changed_at IS NOT NULL;
CREATE INDEX run_open ON run (served_at, notification_id) WHERE open;

-- `lease_until` and `guard_until` are -infinity where there is none; a guarded row was published and is not published again before.
-- A claim touches no indexed column, and the fillfactor leaves room for a second version of every row. The daemon vacuums this table itself.
CREATE TABLE work (
    notification_id uuid NOT NULL,
    id bigint NOT NULL,
    app bigint NOT NULL,
    kind text NOT NULL,
    stream text NOT NULL,
    fan_out boolean NOT NULL,
    targets bytea NOT NULL,
    n integer NOT NULL,
    attempt integer NOT NULL,
    reason text,
    first boolean NOT NULL,
    made_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    lease_until timestamptz NOT NULL DEFAULT '-infinity',
    guard_until timestamptz NOT NULL DEFAULT '-infinity',
    epoch bigint NOT NULL DEFAULT 0,
    takes integer NOT NULL DEFAULT 0,
    PRIMARY KEY (notification_id, id)
) WITH (fillfactor = 40);
CREATE INDEX work_direct ON work (stream, due_at, notification_id, id) WHERE NOT fan_out;
CREATE INDEX work_fan_out ON work (notification_id, due_at, id) WHERE fan_out;

-- `day` is that of the notification's start, in days since 1970.
CREATE TABLE delivery (
    day integer NOT NULL,
    notification_id uuid NOT NULL,
    target bigint NOT NULL,
    channel text NOT NULL DEFAULT 'push',
    person_pk bigint,
    state text NOT NULL,
    reason text,
    attempts integer NOT NULL,
    provider text,
    message_id text,
    detail text,
    at timestamptz NOT NULL,
    delivered_at timestamptz,
    opened_at timestamptz,
    dismissed_at timestamptz,
    PRIMARY KEY (day, notification_id, target, channel)
) PARTITION BY RANGE (day);

-- Fan-outs only; receipts are counted under their own words in the place of a state. Each node writes a shard of its own.
CREATE TABLE notification_count (
    notification_id uuid NOT NULL,
    shard integer NOT NULL,
    state text NOT NULL,
    reason text NOT NULL,
    n bigint NOT NULL,
    PRIMARY KEY (notification_id, shard, state, reason)
) WITH (fillfactor = 50);

CREATE TABLE idempotency (
    app bigint NOT NULL,
    route text NOT NULL,
    key text NOT NULL,
    body_hash bytea NOT NULL,
    answer bytea NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (app, route, key)
);
CREATE INDEX idempotency_by_age ON idempotency USING brin (at);

CREATE TABLE shown (
    device_pk bigint NOT NULL,
    key_hash bytea NOT NULL,
    notification_id uuid NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (device_pk, key_hash)
) WITH (fillfactor = 80);
CREATE INDEX shown_by_age ON shown USING brin (at);

CREATE TABLE receipt_early (
    notification_id uuid NOT NULL,
    device_pk bigint NOT NULL,
    kind text NOT NULL,
    app bigint NOT NULL,
    at timestamptz,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (notification_id, device_pk, kind)
);
CREATE INDEX receipt_early_by_age ON receipt_early (seen_at);

-- The oldest schema version whose daemons can work with this schema. A step that takes something away raises it;
-- daemons of an older version are refused from then on, all others go on beside the newer ones.
CREATE TABLE schema_floor (version bigint NOT NULL);
INSERT INTO schema_floor VALUES (1);
