import ctypes
import os

from hostile import refused, succeeded, targets

libc = ctypes.CDLL(None, use_errno=True)
done = libc.mount(b"none", targets["canary"].encode(), b"tmpfs", 0, None)
succeeded("mounted") if done == 0 else refused(os.strerror(ctypes.get_errno()))
