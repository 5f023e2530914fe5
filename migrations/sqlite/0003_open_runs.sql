-- What is looked at ten times a second, apart from the many runs that are scheduled for later.
CREATE INDEX run_scheduled ON run (start_at) WHERE open = 1 AND status = 'scheduled';
CREATE INDEX run_begun ON run (served_at) WHERE open = 1 AND status <> 'scheduled';
DROP INDEX run_open;
