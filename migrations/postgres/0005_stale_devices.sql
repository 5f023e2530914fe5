-- Devices that an expanding audience left out, since nobody has seen them for long.
ALTER TABLE run ADD COLUMN stale bigint NOT NULL DEFAULT 0;
