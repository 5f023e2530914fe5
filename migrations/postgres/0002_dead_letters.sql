-- Work that was taken in vain so often that nobody tries it any more.
ALTER TABLE work ADD COLUMN died_at timestamptz;
CREATE INDEX work_dead ON work (app, died_at, notification_id, id) WHERE died_at IS NOT NULL;
