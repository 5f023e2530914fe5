-- Which notifications of a capped category a person got lately, or a device on which nobody is signed in: `holder` is minus the person's number,
-- or the device's. `entries` are pairs of a notification and the instant at which it was admitted; none of them counts from `over_at` on.
CREATE TABLE cap (
    holder INTEGER NOT NULL,
    category TEXT NOT NULL,
    entries BLOB NOT NULL,
    over_at INTEGER NOT NULL,
    PRIMARY KEY (holder, category)
) STRICT, WITHOUT ROWID;
CREATE INDEX cap_by_end ON cap (over_at);
