"""The work of one task, as a program of its own: it cannot do the worker any harm.

It gets the task as a line of JSON, and ends with status 0, or 1 and the reason on standard output. When its input is
closed before, there is no worker any more that would want the result, and it ends at once.
"""

import json
import random
import select
import sys

task = json.loads(sys.stdin.buffer.raw.readline())
if task["type"] == "email":
    print(f"task {task['id']}: email sent", file=sys.stderr, flush=True)
seconds = random.uniform(2, 5) if task["seconds"] is None else task["seconds"]
if select.select([sys.stdin], [], [], seconds)[0]:
    sys.exit(2)
if isinstance(task["payload"], dict) and task["payload"].get("fail") is True:
    print("the payload says that it fails")
    sys.exit(1)
