import socket

from hostile import refused, targets

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
    for address in ("127.0.0.1", targets["address"]):
        try:
            out.sendto(b"a packet", (address, targets["udp"]))
        except OSError as problem:
            refused(str(problem))
