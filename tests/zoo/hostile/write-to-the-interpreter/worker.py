import os

from hostile import attempt

attempt(lambda: os.close(os.open(os.__file__, os.O_WRONLY)))
