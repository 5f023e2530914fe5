-- Campaigns: what they say, as it was given and as runs are made of it, and when the next run begins.
CREATE TABLE campaign (
    id uuid PRIMARY KEY,
    app bigint NOT NULL,
    name text NOT NULL,
    definition json NOT NULL,
    plan bytea NOT NULL,
    status text NOT NULL,
    reason text,
    next_fire timestamptz,
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX campaign_of_app ON campaign (app, id);
CREATE INDEX campaign_due ON campaign (next_fire, id) WHERE status IN ('scheduled', 'running') AND next_fire IS NOT NULL;
CREATE INDEX campaign_running ON campaign (next_fire) WHERE status = 'running';
CREATE INDEX notification_of_campaign ON notification (app, campaign, id) WHERE campaign IS NOT NULL;
-- One for each occurrence; without a notification it was skipped.
CREATE TABLE campaign_run (
    campaign uuid NOT NULL,
    id uuid NOT NULL,
    occurrence timestamptz NOT NULL,
    notification_id uuid,
    PRIMARY KEY (campaign, id)
);
-- `held`: none of its pushes is released before all of its audience is taken, and then only if that is not more than `max_targets`.
ALTER TABLE run ADD COLUMN campaign uuid;
ALTER TABLE run ADD COLUMN max_targets bigint;
ALTER TABLE run ADD COLUMN held boolean NOT NULL DEFAULT false;
-- What a held run releases, among all of its rows.
CREATE INDEX work_expanding ON work (notification_id, due_at, id) WHERE fan_out AND kind = 'expand';
CREATE INDEX run_of_campaign ON run (campaign) WHERE open AND campaign IS NOT NULL;
-- How long the pushes of campaigns took, by the steps of a histogram.
CREATE TABLE latency (
    notification_id uuid NOT NULL,
    shard integer NOT NULL,
    step smallint NOT NULL,
    n bigint NOT NULL,
    PRIMARY KEY (notification_id, shard, step)
) WITH (fillfactor = 50);
