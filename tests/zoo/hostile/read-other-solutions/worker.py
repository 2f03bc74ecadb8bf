from pathlib import Path

from hostile import attempt, targets

attempt(lambda: Path(targets["project"], "solution", "worker_service", "queue.py").read_bytes())
