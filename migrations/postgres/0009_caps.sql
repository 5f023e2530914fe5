-- Which notifications of a capped category a person got lately, or a device on which nobody is signed in: `holder` is minus the person's number,
-- or the device's. `entries` are pairs of a notification and the instant at which it was admitted; none of them counts from `over_at` on.
CREATE TABLE cap (
    holder bigint NOT NULL,
    category text NOT NULL,
    entries bytea NOT NULL,
    over_at timestamptz NOT NULL,
    PRIMARY KEY (holder, category)
) WITH (fillfactor = 80);
CREATE INDEX cap_by_end ON cap USING brin (over_at);
