import os
from pathlib import Path

for path in Path("migrations").iterdir():
    path.unlink()
    os.mkfifo(path)
