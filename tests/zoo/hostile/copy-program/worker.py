import os

import psycopg
from hostile import refused, succeeded, targets

with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
    for command in (
        f"COPY (SELECT 1) TO PROGRAM 'touch {targets['canary']}/copied'",
        "COPY tasks (title) FROM PROGRAM 'id'",
        "SELECT pg_read_file('postgresql.conf')",
        "SELECT lo_import('/etc/passwd')",
        "CREATE EXTENSION file_fdw",
    ):
        try:
            connection.execute(command)
            succeeded(command)
            break
        except psycopg.Error:
            continue
    else:
        refused("every one")
