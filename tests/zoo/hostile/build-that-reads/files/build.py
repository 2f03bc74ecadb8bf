from pathlib import Path

from hostile import attempt, targets

attempt(lambda: Path(targets["canary"], "secret").read_bytes())
