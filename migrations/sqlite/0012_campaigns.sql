-- Campaigns: what they say, as it was given and as runs are made of it, and when the next run begins.
CREATE TABLE campaign (
    id BLOB NOT NULL PRIMARY KEY,
    app INTEGER NOT NULL,
    name TEXT NOT NULL,
    definition TEXT NOT NULL,
    plan BLOB NOT NULL,
    status TEXT NOT NULL,
    reason TEXT,
    next_fire INTEGER,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX campaign_of_app ON campaign (app, id);
CREATE INDEX campaign_due ON campaign (next_fire, id) WHERE status IN ('scheduled', 'running') AND next_fire IS NOT NULL;
CREATE INDEX campaign_running ON campaign (next_fire) WHERE status = 'running';
CREATE INDEX notification_of_campaign ON notification (app, campaign, id) WHERE campaign IS NOT NULL;
-- One for each occurrence; without a notification it was skipped.
CREATE TABLE campaign_run (
    campaign BLOB NOT NULL,
    id BLOB NOT NULL,
    occurrence INTEGER NOT NULL,
    notification_id BLOB,
    PRIMARY KEY (campaign, id)
) STRICT, WITHOUT ROWID;
-- `held`: none of its pushes is released before all of its audience is taken, and then only if that is not more than `max_targets`.
ALTER TABLE run ADD COLUMN campaign BLOB;
ALTER TABLE run ADD COLUMN max_targets INTEGER;
ALTER TABLE run ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
-- What a held run releases, among all of its rows.
CREATE INDEX work_expanding ON work (notification_id, due_at) WHERE fan_out = 1 AND kind = 'expand';
CREATE INDEX run_of_campaign ON run (campaign) WHERE open = 1 AND campaign IS NOT NULL;
-- How long the pushes of campaigns took, by the steps of a histogram.
CREATE TABLE latency (
    notification_id BLOB NOT NULL,
    step INTEGER NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (notification_id, step)
) STRICT, WITHOUT ROWID;
