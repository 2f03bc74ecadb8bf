import os
import time

import psycopg
from hostile import refused, succeeded

with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
    connection.execute("SET search_path = pg_catalog")
    told = connection.execute("SELECT who FROM public.told").fetchall()
succeeded(f"ran as {told[0][0]}") if told else refused("nobody came by")
