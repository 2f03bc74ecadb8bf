import os
from pathlib import Path

from hostile import refused, succeeded

own = os.environ["TMPDIR"]
found = []
# In a container its own is /tmp, with nothing above that could be the run's.
for place in ("/tmp", "/dev/shm", "/var/tmp", *Path(own).parents[2:3]):
    for folder in Path(place).glob("task-queue-lab-*"):
        try:
            found += [str(path) for path in (folder, *folder.iterdir()) if path != Path(own) and os.listdir(path)]
        except OSError:
            continue
foreign = [path for path in found if not own.startswith(path)]
succeeded(foreign[0]) if foreign else refused("nothing but its own")
