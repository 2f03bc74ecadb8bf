CREATE TABLE tasks (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    title           TEXT        NOT NULL,
    description     TEXT        NOT NULL DEFAULT '',
    type            TEXT        NOT NULL DEFAULT 'default',
    payload         JSONB       NOT NULL DEFAULT '{}',
    status          TEXT        NOT NULL DEFAULT 'pending'
                    CHECK (status IN ('pending', 'processing', 'completed', 'failed')),
    assigned_worker TEXT,
    claim_key       UUID,                               -- a new one for each claim
    created_at      TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at      TIMESTAMPTZ NOT NULL DEFAULT now()
);
-- Both kinds of tasks that a claim may take are in it, in the order in which they are taken.
CREATE INDEX tasks_unfinished ON tasks (created_at, id) WHERE status IN ('pending', 'processing');
