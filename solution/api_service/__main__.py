"""Starts the api-service: ``python -m api_service``."""

import logging
import os
import signal
import sys

import uvicorn

from api_service.app import create_app
from api_service.config import BadSetting, read_settings
from api_service.database import Database


def main() -> None:
    # uvicorn puts its own handlers in the place of this one while it serves. When it is done it restores this one,
    # and raises the signal once more; with the default handler the process would end as killed, not with status 0.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        settings = read_settings(os.environ)
    except BadSetting as error:
        sys.exit(f"api-service: {error}")
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(message)s")
    with Database(settings.database_url) as database:
        uvicorn.run(create_app(database), host=settings.host, port=settings.port, log_config=None)


if __name__ == "__main__":
    main()
