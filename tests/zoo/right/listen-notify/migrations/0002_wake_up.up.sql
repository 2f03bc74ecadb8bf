-- Whoever makes a task pending, by whatever way, wakes the workers when that is committed.
CREATE FUNCTION wake_workers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NOTIFY task_pending;
    RETURN NULL;
END $$;

CREATE TRIGGER new_task AFTER INSERT ON tasks
    FOR EACH ROW WHEN (NEW.status = 'pending') EXECUTE FUNCTION wake_workers();
CREATE TRIGGER task_again AFTER UPDATE OF status ON tasks
    FOR EACH ROW WHEN (NEW.status = 'pending' AND OLD.status <> 'pending') EXECUTE FUNCTION wake_workers();

ALTER TABLE tasks ADD COLUMN claims INTEGER NOT NULL DEFAULT 0;
