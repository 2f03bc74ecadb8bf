import socket

from hostile import attempt, targets

attempt(lambda: socket.create_connection(("127.0.0.1", targets["tcp"]), 5).sendall(b"a packet"))
