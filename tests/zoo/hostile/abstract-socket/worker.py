import socket

from hostile import attempt, targets

attempt(lambda: socket.socket(socket.AF_UNIX).connect("\0" + targets["abstract"]))
