ALTER TABLE tasks ADD COLUMN claim_number INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN removed_at TIMESTAMPTZ;
CREATE INDEX tasks_open ON tasks (created_at, id) WHERE status = 'pending' AND removed_at IS NULL;
