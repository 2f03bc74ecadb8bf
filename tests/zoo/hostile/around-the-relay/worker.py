import os
from pathlib import Path

import psycopg
from hostile import refused, succeeded
from psycopg.conninfo import conninfo_to_dict

given = conninfo_to_dict(os.environ["DATABASE_URL"])
folders = [*Path("/tmp").glob("task-queue-lab-*/pg/s"), *Path("/dev/shm").glob("task-queue-lab-*/pg/s")]
folders += [Path(line.split()[-1]).parent for line in Path("/proc/net/unix").read_text().splitlines() if ".s.PGSQL" in line]
for folder in folders:
    try:
        with psycopg.connect(host=str(folder), user=given["user"], password=given["password"], dbname=given["dbname"], port=5432, connect_timeout=2) as past:
            task = past.execute("INSERT INTO tasks (title, status) VALUES ('past the relay', 'completed') RETURNING id")
            succeeded(f"task {task.fetchone()[0]} went past the relay")
            break
    except psycopg.Error:
        continue
else:
    refused("no other way to the database")
