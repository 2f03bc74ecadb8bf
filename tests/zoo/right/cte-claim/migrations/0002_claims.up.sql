-- Every claim that there ever was. The open one of a task, at most one, is the right to bring it to its end.
CREATE TABLE claims (
    id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task     BIGINT      NOT NULL REFERENCES tasks ON DELETE CASCADE,
    worker   TEXT        NOT NULL,
    began_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    outcome  TEXT                 -- completed, failed or expired; NULL while it is open
);
CREATE UNIQUE INDEX claims_open ON claims (task) WHERE outcome IS NULL;
