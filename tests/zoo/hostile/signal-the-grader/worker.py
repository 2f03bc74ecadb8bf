import os
from pathlib import Path

from hostile import refused, succeeded

for folder in Path("/proc").glob("[0-9]*"):
    try:
        command = (folder / "cmdline").read_bytes()
        if b"grader\0grade" in command:
            os.kill(int(folder.name), 0)
            succeeded(f"it may signal {folder.name}")
            break
    except OSError:
        continue
else:
    refused("it may signal none")
