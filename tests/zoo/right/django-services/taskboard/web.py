"""``python -m taskboard.web``: gunicorn, two processes with some threads each."""

from django.core.handlers.wsgi import WSGIHandler
from gunicorn.app.base import BaseApplication

from taskboard import environment
from taskboard.setup import configure


class Server(BaseApplication):
    def load_config(self) -> None:
        host, port = environment.text("API_HOST", "127.0.0.1"), environment.port("API_PORT", "8080")
        options = {
            "bind": f"{host}:{port}",
            "workers": 2,
            "worker_class": "gthread",
            "threads": 14,
            "loglevel": environment.log_level() and environment.text("LOG_LEVEL", "info").lower(),
            "graceful_timeout": 20,
            "control_socket_disable": True,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> WSGIHandler:
        return WSGIHandler()


if __name__ == "__main__":
    configure()
    Server().run()
