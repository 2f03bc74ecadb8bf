CREATE TABLE tasks (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    title           TEXT        NOT NULL,
    description     TEXT        NOT NULL DEFAULT '',
    type            TEXT        NOT NULL DEFAULT 'default',
    payload         JSONB       NOT NULL DEFAULT '{}',
    status          TEXT        NOT NULL DEFAULT 'pending'
                    CHECK (status IN ('pending', 'processing', 'completed', 'failed')),
    assigned_worker TEXT,
    claim_id        UUID,                          -- of the last claim, whatever became of it
    failures        SMALLINT    NOT NULL DEFAULT 0,
    created_at      TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at      TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT in_somebodys_hands CHECK (status <> 'processing' OR assigned_worker IS NOT NULL)
);
CREATE INDEX tasks_pending ON tasks (created_at, id) WHERE status = 'pending';
CREATE INDEX tasks_processing ON tasks (updated_at) WHERE status = 'processing';
