-- The second lock on the table: a foreign key's action runs as the table's owner, and with it triggers of the
-- submission's. Whatever way leads there, a command that ends with the table not as it was set up is undone.
CREATE FUNCTION {audit}.guard() RETURNS event_trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_class
        WHERE oid = {table_oid} AND relname = 'tasks' AND relnamespace = {schema_oid}
          AND relkind = 'r' AND relowner = {keeper_oid} AND NOT relhasrules AND NOT relhassubclass
    ) OR 2 <> (
        SELECT count(*) FROM pg_trigger
        WHERE tgrelid = {table_oid} AND tgenabled = 'A' AND tgname IN ('!audit_row', '!audit_truncate')
          AND tgfoid IN ({row_function_oid}, {truncate_function_oid})
    ) OR EXISTS (
        SELECT FROM pg_proc
        WHERE oid IN ({row_function_oid}, {truncate_function_oid}) AND proowner <> {recorder_oid}
    ) THEN
        RAISE EXCEPTION 'the table tasks cannot be changed while it is graded'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$function$;
REVOKE ALL ON FUNCTION {audit}.guard() FROM PUBLIC;
CREATE EVENT TRIGGER grader_guard ON ddl_command_end EXECUTE FUNCTION {audit}.guard();
ALTER EVENT TRIGGER grader_guard ENABLE ALWAYS;
