-- What became of pushes, by time and kind. A campaign of a notification; test sends are counted nowhere.
ALTER TABLE notification ADD COLUMN campaign BLOB;
ALTER TABLE notification ADD COLUMN test INTEGER NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN platform TEXT;
ALTER TABLE delivery ADD COLUMN variant TEXT;

-- Platform and variant are empty where there is none.
ALTER TABLE notification_count RENAME TO notification_count_before;
CREATE TABLE notification_count (
    notification_id BLOB NOT NULL,
    shard INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    platform TEXT NOT NULL,
    variant TEXT NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (notification_id, shard, state, reason, platform, variant)
) STRICT, WITHOUT ROWID;
INSERT INTO notification_count SELECT notification_id, shard, state, reason, '', '', n FROM notification_count_before;
DROP TABLE notification_count_before;

-- Empty or zero where there is none.
CREATE TABLE rollup (
    app INTEGER NOT NULL,
    resolution TEXT NOT NULL,
    bucket INTEGER NOT NULL,
    category TEXT NOT NULL,
    platform TEXT NOT NULL,
    provider TEXT NOT NULL,
    campaign BLOB NOT NULL,
    variant TEXT NOT NULL,
    shard INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    suppressed INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    expired INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    opened INTEGER NOT NULL,
    dismissed INTEGER NOT NULL,
    PRIMARY KEY (app, resolution, bucket, category, platform, provider, campaign, variant, shard)
) STRICT, WITHOUT ROWID;
