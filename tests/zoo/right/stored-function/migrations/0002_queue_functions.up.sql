-- The oldest pending task, taken; no row if there is none. The ticket is what its worker shows from now on.
CREATE FUNCTION claim_task(worker TEXT) RETURNS SETOF tasks LANGUAGE plpgsql AS $$
DECLARE
    chosen BIGINT;
BEGIN
    SELECT id INTO chosen FROM tasks
    WHERE status = 'pending' ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
        RETURN QUERY
            UPDATE tasks SET status = 'processing', assigned_worker = worker, ticket = nextval('tickets'),
                             updated_at = clock_timestamp()
            WHERE id = chosen RETURNING *;
    END IF;
END $$;

-- Whether the ticket was still good. An end that was written already, with the same ticket, counts as written.
CREATE FUNCTION end_task(task BIGINT, its_ticket BIGINT, outcome TEXT) RETURNS BOOLEAN LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tasks SET status = outcome, updated_at = clock_timestamp()
    WHERE id = task AND ticket = its_ticket AND status IN ('processing', outcome);
    RETURN FOUND;
END $$;

CREATE FUNCTION keep_task(task BIGINT, its_ticket BIGINT) RETURNS BOOLEAN LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tasks SET updated_at = clock_timestamp() WHERE id = task AND ticket = its_ticket AND status = 'processing';
    RETURN FOUND;
END $$;

-- The ids of tasks that nobody kept for longer than the timeout, which are pending from now on.
CREATE FUNCTION recover_tasks(timeout INTERVAL) RETURNS SETOF BIGINT LANGUAGE sql AS $$
    UPDATE tasks SET status = 'pending', assigned_worker = NULL, ticket = NULL, updated_at = clock_timestamp()
    WHERE id IN (SELECT id FROM tasks WHERE status = 'processing' AND updated_at < now() - timeout
                 FOR UPDATE SKIP LOCKED)
    RETURNING id;
$$;
