import socket

from hostile import refused, succeeded

for path in ("/var/run/docker.sock", "/run/docker.sock"):
    try:
        with socket.socket(socket.AF_UNIX) as engine:
            engine.connect(path)
            engine.sendall(b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n")
            succeeded(f"{path} answers") if engine.recv(9) else refused("no answer")
            break
    except OSError:
        continue
else:
    refused("there is none")
