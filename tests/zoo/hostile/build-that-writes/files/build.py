from pathlib import Path

from hostile import attempt, targets

attempt(lambda: Path(targets["canary"], "written").write_text("x"))
