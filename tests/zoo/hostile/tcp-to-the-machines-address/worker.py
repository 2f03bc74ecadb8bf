import socket

from hostile import attempt, targets

attempt(lambda: socket.create_connection((targets["address"], targets["tcp"]), 5).sendall(b"a packet"))
