from pathlib import Path

from hostile import refused, succeeded

for path in (*Path("/sys/fs/cgroup").glob("**/task-queue-lab-*/pids.max"), Path("/proc/sys/kernel/domainname")):
    try:
        with path.open("r+") as file:
            file.write(file.read())
    except OSError:
        continue
    succeeded(f"wrote {path}")
    break
else:
    refused("nothing can be written")
