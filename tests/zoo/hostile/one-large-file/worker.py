import os

from hostile import attempt

attempt(lambda: open(os.path.join(os.environ["TMPDIR"], "large"), "wb").write(bytes(100 << 20)))
