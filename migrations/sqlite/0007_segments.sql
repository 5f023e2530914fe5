-- What segments look at: a person's own tags and locale, versions in a form whose bytes sort as they do, and who follows which topic.
ALTER TABLE person ADD COLUMN tags TEXT NOT NULL DEFAULT '{}';
ALTER TABLE person ADD COLUMN locale TEXT;
ALTER TABLE person ADD COLUMN profile_version INTEGER NOT NULL DEFAULT 0;

-- Written by the daemon beside the versions; for devices that were there before, when it first starts with this schema.
ALTER TABLE device ADD COLUMN app_version_key TEXT;
ALTER TABLE device ADD COLUMN os_version_key TEXT;
CREATE INDEX device_without_key ON device (pk)
    WHERE (app_version IS NOT NULL AND app_version_key IS NULL) OR (os_version IS NOT NULL AND os_version_key IS NULL);

CREATE TABLE topic (
    pk INTEGER PRIMARY KEY AUTOINCREMENT,
    app INTEGER NOT NULL,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX topic_by_age ON topic (app, created_at, pk);
CREATE UNIQUE INDEX topic_by_name ON topic (app, name);

-- A device's own subscriptions: they go with it and when its user changes.
CREATE TABLE topic_device (
    topic_pk INTEGER NOT NULL,
    device_pk INTEGER NOT NULL,
    PRIMARY KEY (topic_pk, device_pk)
) STRICT, WITHOUT ROWID;
CREATE INDEX topic_device_by_device ON topic_device (device_pk);

-- A person's subscriptions: for all their devices, whichever those are at the time.
CREATE TABLE topic_person (
    topic_pk INTEGER NOT NULL,
    person_pk INTEGER NOT NULL,
    PRIMARY KEY (topic_pk, person_pk)
) STRICT, WITHOUT ROWID;
CREATE INDEX topic_person_by_person ON topic_person (person_pk);
