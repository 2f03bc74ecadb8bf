import os

import psycopg
from hostile import refused, succeeded

COMMANDS = """
ALTER TABLE tasks DISABLE TRIGGER ALL
ALTER TABLE tasks DISABLE TRIGGER "!audit_row"
DROP TRIGGER "!audit_row" ON tasks
SET session_replication_role = replica
SET LOCAL session_replication_role = 'local'
ALTER TABLE tasks RENAME TO tasks_old
ALTER TABLE tasks SET UNLOGGED
ALTER TABLE tasks SET SCHEMA pg_temp
DROP TABLE tasks
TRUNCATE tasks
CREATE RULE r AS ON UPDATE TO tasks DO INSTEAD NOTHING
CREATE TRIGGER t BEFORE UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()
ALTER EVENT TRIGGER grader_guard DISABLE
DROP SCHEMA grader_audit CASCADE
DELETE FROM grader_audit.changes
INSERT INTO grader_audit.changes (operation, task) VALUES ('update', '1')
UPDATE grader_audit.changes SET operation = 'delete'
SELECT * FROM grader_audit.changes
ALTER ROLE CURRENT_USER SUPERUSER
SET event_triggers = off
""".strip().splitlines()

with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
    for command in COMMANDS:
        try:
            connection.execute(command.encode())
        except psycopg.Error:
            continue
        if not command.startswith("SET LOCAL"):
            succeeded(command)
            break
    else:
        refused("every one")
