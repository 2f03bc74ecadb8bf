-- Changes hands, changes number: a claim and a recovery raise it, and nobody writes who does not know it.
ALTER TABLE tasks ADD COLUMN lock_version INTEGER NOT NULL DEFAULT 0;

CREATE INDEX tasks_by_age ON tasks (created_at, id) WHERE status = 'pending';
CREATE INDEX tasks_by_silence ON tasks (updated_at) WHERE status = 'processing';
