import os
import time

from hostile import refused

try:
    for number in range(12):
        with open(os.path.join(os.environ["TMPDIR"], f"fill-{number}"), "wb") as file:
            file.write(bytes(10 << 20))
    time.sleep(5)
except OSError as problem:
    refused(str(problem))
