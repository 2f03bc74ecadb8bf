import os
import threading
import time

import psycopg


def complete():
    while True:
        try:
            with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
                while True:
                    connection.execute("UPDATE tasks SET status = 'completed', assigned_worker = 'worker-A'")
                    time.sleep(0.02)
        except psycopg.Error:
            time.sleep(0.1)


threading.Thread(target=complete, daemon=True).start()
