-- Of a device on which nobody is signed in; null as soon as somebody is.
ALTER TABLE device ADD COLUMN preferences json, ADD COLUMN preferences_version bigint NOT NULL DEFAULT 0;

-- Daemons that do not ask for them must not work beside the newer ones: they would send what somebody switched off.
UPDATE schema_floor SET version = 17;
