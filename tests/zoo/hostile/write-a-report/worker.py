import json
from pathlib import Path

from hostile import attempt, targets

attempt(lambda: Path(targets["output"], "report.json").write_text(json.dumps({"score": 100})))
