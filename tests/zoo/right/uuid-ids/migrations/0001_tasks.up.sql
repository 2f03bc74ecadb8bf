CREATE TABLE tasks (
    id              UUID        NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    title           TEXT        NOT NULL,
    description     TEXT        NOT NULL DEFAULT '',
    type            TEXT        NOT NULL DEFAULT 'default',
    payload         JSONB       NOT NULL DEFAULT '{}',
    status          TEXT        NOT NULL DEFAULT 'pending'
                    CHECK (status IN ('pending', 'processing', 'completed', 'failed')),
    assigned_worker TEXT,
    claim           UUID,                               -- the last one
    created_at      TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at      TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX tasks_pending ON tasks (created_at) WHERE status = 'pending';

CREATE FUNCTION new_task(title TEXT, description TEXT, type TEXT, payload JSONB) RETURNS tasks LANGUAGE sql AS $$
    INSERT INTO tasks (title, description, type, payload) VALUES ($1, $2, $3, $4) RETURNING *;
$$;
