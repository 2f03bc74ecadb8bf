import os
import time

for _ in range(8):
    if os.fork() == 0:
        hoard = bytearray(48 << 20)
        time.sleep(30)
        os._exit(0)
time.sleep(30)
