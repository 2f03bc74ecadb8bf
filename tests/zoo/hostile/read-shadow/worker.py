from pathlib import Path

from hostile import attempt

attempt(lambda: Path("/etc/shadow").read_bytes())
