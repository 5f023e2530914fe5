-- Of a device on which nobody is signed in; null as soon as somebody is.
ALTER TABLE device ADD COLUMN preferences TEXT;
ALTER TABLE device ADD COLUMN preferences_version INTEGER NOT NULL DEFAULT 0;
