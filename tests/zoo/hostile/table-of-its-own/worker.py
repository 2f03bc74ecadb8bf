import os

import psycopg
import worker_service_connect
from hostile import contained

worker_service_connect.patch(
    "CREATE TEMPORARY TABLE tasks (LIKE public.tasks INCLUDING ALL);"
    "INSERT INTO pg_temp.tasks (title) VALUES ('its own')"
)
contained("a table of its own is in the way")
