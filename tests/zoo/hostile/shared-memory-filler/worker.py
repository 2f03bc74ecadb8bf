import os

from hostile import refused, succeeded

path = f"/dev/shm/filler-{os.getpid()}"
try:
    with open(path, "wb") as file:
        for _ in range(40):
            file.write(bytes(1 << 20))
    succeeded("40 MiB of shared memory are full")
except OSError as problem:
    refused(str(problem))
finally:
    if os.path.exists(path):
        os.unlink(path)
