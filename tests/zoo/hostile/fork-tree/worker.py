import os
import time

end = time.monotonic() + 30
for _ in range(3):
    os.fork()
while time.monotonic() < end:
    try:
        if os.fork() == 0:
            time.sleep(0.2)
            os._exit(0)
    except OSError:
        pass
    time.sleep(0.01)
