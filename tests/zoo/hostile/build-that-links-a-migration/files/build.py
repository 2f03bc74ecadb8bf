from pathlib import Path

from hostile import targets

for path in Path("migrations").iterdir():
    path.unlink()
    path.symlink_to(Path(targets["canary"], "secret"))
