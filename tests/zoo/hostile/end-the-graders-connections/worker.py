import os

import psycopg
from hostile import refused, succeeded

with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
    found = connection.execute("SELECT pid FROM pg_stat_activity WHERE usename <> current_user AND pid <> pg_backend_pid()")
    for (pid,) in found.fetchall():
        try:
            [(ended,)] = connection.execute("SELECT pg_terminate_backend(%s)", (pid,)).fetchall()
            if ended:
                succeeded(f"ended {pid}")
                break
        except psycopg.Error:
            continue
    else:
        refused("every one")
