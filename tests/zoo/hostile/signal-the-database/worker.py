import os
from pathlib import Path

from hostile import refused, succeeded

for folder in Path("/proc").glob("[0-9]*"):
    try:
        if b"postgres" in (folder / "cmdline").read_bytes().split(b"\0")[0]:
            os.kill(int(folder.name), 0)
            succeeded(f"it may signal {folder.name}")
            break
    except OSError:
        continue
else:
    refused("it may signal none")
