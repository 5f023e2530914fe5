-- What became of pushes, by time and kind. A campaign of a notification; test sends are counted nowhere.
ALTER TABLE notification ADD COLUMN campaign uuid, ADD COLUMN test boolean NOT NULL DEFAULT false;
ALTER TABLE delivery ADD COLUMN platform text, ADD COLUMN variant text;

-- Empty where there is none.
ALTER TABLE notification_count ADD COLUMN platform text NOT NULL DEFAULT '', ADD COLUMN variant text NOT NULL DEFAULT '';
ALTER TABLE notification_count DROP CONSTRAINT notification_count_pkey;
ALTER TABLE notification_count ADD PRIMARY KEY (notification_id, shard, state, reason, platform, variant);

-- Empty or zero where there is none. A node writes shards of its own; -1 holds what several wrote of a bucket that is old.
-- Counting touches no indexed column, and the fillfactor leaves room for a second version of every row.
CREATE TABLE rollup (
    app bigint NOT NULL,
    resolution text COLLATE "C" NOT NULL,
    bucket timestamptz NOT NULL,
    category text COLLATE "C" NOT NULL,
    platform text COLLATE "C" NOT NULL,
    provider text COLLATE "C" NOT NULL,
    campaign uuid NOT NULL,
    variant text COLLATE "C" NOT NULL,
    shard integer NOT NULL,
    sent bigint NOT NULL,
    suppressed bigint NOT NULL,
    failed bigint NOT NULL,
    expired bigint NOT NULL,
    cancelled bigint NOT NULL,
    delivered bigint NOT NULL,
    opened bigint NOT NULL,
    dismissed bigint NOT NULL,
    PRIMARY KEY (app, resolution, bucket, category, platform, provider, campaign, variant, shard)
) WITH (fillfactor = 50);

-- Daemons that count by the shorter key, and write no rollups, must not work beside the newer ones.
UPDATE schema_floor SET version = 8;
