-- How many pushes a second a run hands out, over all nodes, and up to when it has allotted them.
ALTER TABLE run ADD COLUMN pace INTEGER;
ALTER TABLE run ADD COLUMN next_slot INTEGER;
-- When the span of time begins over which a row's pushes are spread.
ALTER TABLE work ADD COLUMN slot_at INTEGER;
