import os
from pathlib import Path

from hostile import refused, succeeded

own = {str(os.getpid()), "self", "thread-self"}
for memory in Path("/proc").glob("[0-9]*/mem"):
    if memory.parent.name in own or memory.parent.name == str(os.getpid()):
        continue
    try:
        command = (memory.parent / "cmdline").read_bytes()
        with memory.open("rb"):
            if b"grader" in command and b"worker_service" not in command:
                succeeded(f"opened {memory}")
                break
    except OSError:
        continue
else:
    refused("no memory of the grader's can be opened")
