import os

import psycopg
from hostile import refused, succeeded

held = []
try:
    for _ in range(60):
        held.append(psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=5))
    succeeded("60 connections")
except psycopg.Error:
    refused(f"after {len(held)}")
for connection in held:
    connection.close()
