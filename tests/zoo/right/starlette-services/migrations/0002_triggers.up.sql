ALTER TABLE tasks ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE tasks ADD COLUMN words TSVECTOR GENERATED ALWAYS AS (to_tsvector('simple', title || ' ' || description)) STORED;
-- Nothing is ever deleted: what a client drops is kept, for nobody to see but the journal.
ALTER TABLE tasks ADD COLUMN dropped_at TIMESTAMPTZ;

-- updated_at is nobody's duty but the table's; nor is the number of changes.
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := clock_timestamp();
    NEW.version := OLD.version + 1;
    RETURN NEW;
END $$;

CREATE TRIGGER touch BEFORE UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION touch();

-- What became of each task, and when: one line for each change of status.
CREATE TABLE journal (
    entry   BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task    BIGINT NOT NULL REFERENCES tasks,
    status  TEXT NOT NULL,
    worker  TEXT,
    at      TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);

CREATE FUNCTION write_journal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO journal (task, status, worker) VALUES (NEW.id, NEW.status, NEW.assigned_worker);
    RETURN NULL;
END $$;

CREATE TRIGGER journal_new AFTER INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION write_journal();
CREATE TRIGGER journal_change AFTER UPDATE OF status ON tasks FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION write_journal();
