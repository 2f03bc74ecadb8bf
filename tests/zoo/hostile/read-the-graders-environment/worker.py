from pathlib import Path

from hostile import refused, succeeded, targets

for environ in Path("/proc").glob("[0-9]*/environ"):
    try:
        found = targets["secret"].encode() in environ.read_bytes()
    except OSError:
        continue
    if found:
        succeeded(f"the secret stands in {environ}")
        break
else:
    refused("no process shows it")
