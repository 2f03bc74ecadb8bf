-- Run once by the superuser in the template, when the migrations are done and their owner can no longer log in.
-- Nothing here reads or writes a row of the submission's tables: that could run its code as superuser.

-- Whoever owns a schema may drop what is in it, and whoever owns a table may disable its triggers.
ALTER SCHEMA public OWNER TO {admin};
ALTER TABLE public.tasks OWNER TO {keeper};

CREATE SCHEMA {audit};
GRANT USAGE ON SCHEMA {audit} TO {recorder}, {witness};

CREATE TABLE {audit}.changes (
    -- In the order in which things were done: the place in the log, which grows with every change of a row. A
    -- sequence would move what lastval() tells the session, and the clock can be set back.
    number    pg_lsn      NOT NULL DEFAULT pg_catalog.pg_current_wal_insert_lsn(),
    xid       xid8        NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
    at        timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    pid       int         NOT NULL DEFAULT pg_catalog.pg_backend_pid(),
    login     text        NOT NULL DEFAULT session_user,
    operation text        NOT NULL,
    task      text        NOT NULL,
    before    jsonb,
    after     jsonb
);
CREATE INDEX changes_xid ON {audit}.changes (xid);
GRANT INSERT ON {audit}.changes TO {recorder};
GRANT SELECT ON {audit}.changes TO {witness};

-- Runs as a role that can add to the record and do nothing else. The rows are spelled out column by column,
-- because the ways to turn a whole row into JSON use casts, and a submission may have defined some.
CREATE FUNCTION {audit}.record_row() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $function$
BEGIN
    CASE TG_OP
    WHEN 'INSERT' THEN
        INSERT INTO {audit}.changes (operation, task, after)
        VALUES ('insert', {new_id}, {new_row});
    WHEN 'UPDATE' THEN
        INSERT INTO {audit}.changes (operation, task, before, after)
        VALUES ('update', {new_id}, {old_row}, {new_row});
    ELSE
        INSERT INTO {audit}.changes (operation, task, before)
        VALUES ('delete', {old_id}, {old_row});
    END CASE;
    RETURN NULL;
END
$function$;

CREATE FUNCTION {audit}.record_truncate() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    INSERT INTO {audit}.changes (operation, task) VALUES ('truncate', '*');
    RETURN NULL;
END
$function$;

ALTER FUNCTION {audit}.record_row() OWNER TO {recorder};
ALTER FUNCTION {audit}.record_truncate() OWNER TO {recorder};
REVOKE ALL ON FUNCTION {audit}.record_row(), {audit}.record_truncate() FROM PUBLIC;

-- Triggers fire in the order of their names: before any that changes the row again.
CREATE TRIGGER "!audit_row" AFTER INSERT OR UPDATE OR DELETE ON public.tasks
    FOR EACH ROW EXECUTE FUNCTION {audit}.record_row();
CREATE TRIGGER "!audit_truncate" AFTER TRUNCATE ON public.tasks
    FOR EACH STATEMENT EXECUTE FUNCTION {audit}.record_truncate();
ALTER TABLE public.tasks ENABLE ALWAYS TRIGGER "!audit_row";
ALTER TABLE public.tasks ENABLE ALWAYS TRIGGER "!audit_truncate";
