import os

import psycopg
from hostile import attempt


def fill():
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("SET statement_timeout = '20s'")
        connection.execute("SET work_mem = '64kB'")
        connection.execute("SELECT count(*) FROM (SELECT repeat('x', 1000) || n FROM generate_series(1, 600000) n ORDER BY 1 OFFSET 1) t")


attempt(fill)
