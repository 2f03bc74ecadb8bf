import os
import signal

from hostile import attempt, targets

attempt(lambda: os.kill(targets["neighbour"], signal.SIGKILL))
