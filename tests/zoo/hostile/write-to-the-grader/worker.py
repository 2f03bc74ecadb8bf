import os
from pathlib import Path

from hostile import attempt, targets

attempt(lambda: os.close(os.open(Path(targets["project"], "grader", "judging.py"), os.O_WRONLY)))
