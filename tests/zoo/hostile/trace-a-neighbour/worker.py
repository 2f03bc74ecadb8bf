import ctypes

from hostile import refused, succeeded, targets

PTRACE_SEIZE = 0x4206
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.restype = ctypes.c_long
if libc.ptrace(PTRACE_SEIZE, targets["neighbour"], None, None) == 0:
    succeeded("it is traced")
else:
    refused(f"errno {ctypes.get_errno()}")
