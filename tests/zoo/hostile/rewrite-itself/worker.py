from pathlib import Path

from hostile import attempt

attempt(lambda: Path("docs", "data-flow.md").write_text("written by the worker"))
