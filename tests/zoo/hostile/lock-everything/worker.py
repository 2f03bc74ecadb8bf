import os
import threading
import time

import psycopg

from hostile import contained


def lock():
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
        time.sleep(60)


threading.Thread(target=lock, daemon=True).start()
time.sleep(0.5)
contained("the table is locked")
