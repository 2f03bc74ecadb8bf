import os

import psycopg
from hostile import refused, succeeded

with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
    for command in (
        "ALTER TABLE public.tasks DISABLE TRIGGER ALL",
        "DROP TABLE public.tasks",
        "DELETE FROM grader_audit.changes",
        "SET session_replication_role = replica",
        "ALTER TABLE public.tasks OWNER TO CURRENT_USER",
    ):
        try:
            connection.execute("SELECT act(%s)", (command,))
            succeeded(command)
            break
        except psycopg.Error:
            continue
    else:
        refused("every one")
