-- Lanes that are paused. The part is a platform, or empty for all of the lane.
CREATE TABLE lane_pause (
    app INTEGER NOT NULL,
    provider TEXT NOT NULL,
    environment TEXT NOT NULL,
    part TEXT NOT NULL,
    credential BLOB NOT NULL,
    reason TEXT NOT NULL,
    paused_at INTEGER NOT NULL,
    PRIMARY KEY (app, provider, environment, part, credential)
) STRICT, WITHOUT ROWID;
