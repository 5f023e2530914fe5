-- Lanes that are paused, for every node to see. The part is a platform, or empty for all of the lane.
CREATE TABLE lane_pause (
    app bigint NOT NULL,
    provider text NOT NULL,
    environment text NOT NULL,
    part text NOT NULL,
    credential bytea NOT NULL,
    reason text NOT NULL,
    paused_at timestamptz NOT NULL,
    PRIMARY KEY (app, provider, environment, part, credential)
);
