CREATE TABLE tasks (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    title           TEXT        NOT NULL,
    description     TEXT        NOT NULL DEFAULT '',
    type            TEXT        NOT NULL DEFAULT 'default',
    payload         JSONB       NOT NULL DEFAULT '{}',
    status          TEXT        NOT NULL DEFAULT 'pending'
                    CHECK (status IN ('pending', 'processing', 'completed', 'failed')),
    assigned_worker TEXT,
    generation      BIGINT      NOT NULL DEFAULT 0,
    created_at      TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at      TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX tasks_pending ON tasks (created_at, id) WHERE status = 'pending';
CREATE INDEX tasks_processing ON tasks (updated_at) WHERE status = 'processing';
COMMENT ON COLUMN tasks.generation IS 'counts the claims; whoever knows the current number holds the task';
