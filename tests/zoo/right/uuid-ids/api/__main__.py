"""``python -m api``"""

import os
import signal
import sys
import threading
from http.server import ThreadingHTTPServer
from urllib.parse import urlsplit

STOP = {signal.SIGTERM, signal.SIGINT}
signal.pthread_sigmask(signal.SIG_BLOCK, STOP)

from api.handler import Handler  # noqa: E402


class Server(ThreadingHTTPServer):
    daemon_threads = False  # server_close waits for the requests that are under way
    request_queue_size = 128


def main() -> None:
    port = os.environ.get("API_PORT", "8080")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        sys.exit(f"API_PORT is {port!r}, not a port")
    try:
        url = urlsplit(os.environ.get("DATABASE_URL", ""))
        if url.scheme not in ("postgres", "postgresql") or not url.hostname or url.port == 0:
            raise ValueError
    except ValueError:
        sys.exit("DATABASE_URL is not set to postgresql://user:password@host:port/name")
    with Server((os.environ.get("API_HOST", "127.0.0.1"), int(port)), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        print(f"listening on port {port}", flush=True)
        signal.sigwait(STOP)
        print("shutdown: open requests are answered", flush=True)
        server.shutdown()
    print("shutdown complete", flush=True)


main()
