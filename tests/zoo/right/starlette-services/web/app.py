"""HTTP, on Starlette alone: routes, answers, and what errors look like."""

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Any

import asyncpg
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from web import forms
from web.tasks import Tasks

log = logging.getLogger("uvicorn.error")

Endpoint = Callable[[Tasks, Request], Awaitable[Response]]


def create_app(url: str) -> Starlette:
    tasks = Tasks(url)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await tasks.open()
        yield
        await tasks.close()

    def route(method: str, path: str, endpoint: Endpoint) -> Route:
        return Route(path, partial(endpoint, tasks), methods=[method])

    return Starlette(
        routes=[
            route("GET", "/health", health),
            route("POST", "/tasks", create),
            route("GET", "/tasks", index),
            route("GET", "/tasks/{id}", show),
            route("PUT", "/tasks/{id}", update),
            route("DELETE", "/tasks/{id}", delete),
        ],
        lifespan=lifespan,
        exception_handlers={
            HTTPException: refused,
            forms.Invalid: invalid,
            asyncpg.DataError: not_storable,
            asyncpg.PostgresError: no_database,
            asyncpg.InterfaceError: no_database,
            OSError: no_database,
        },
    )


async def health(tasks: Tasks, _: Request) -> Response:
    if await tasks.is_there():
        return answer({"status": "ok"})
    return answer({"status": "no database"}, 503)


async def create(tasks: Tasks, request: Request) -> Response:
    return answer(await tasks.create(forms.NewTask.of(await request.body())), 201)


async def index(tasks: Tasks, request: Request) -> Response:
    return answer({"tasks": await tasks.page(forms.Page.of(request.query_params))})


async def show(tasks: Tasks, request: Request) -> Response:
    return answer(found(await tasks.read(forms.task_id(request.path_params["id"]))))


async def update(tasks: Tasks, request: Request) -> Response:
    wanted = forms.task_id(request.path_params["id"])
    return answer(found(await tasks.update(wanted, forms.Change.of(await request.body()))))


async def delete(tasks: Tasks, request: Request) -> Response:
    found(await tasks.delete(forms.task_id(request.path_params["id"])))
    return Response(status_code=204)


def found(task: Any) -> Any:
    if not task:
        raise HTTPException(404, "no such task")
    return task


def answer(content: Any, status: int = 200) -> Response:
    return Response(json.dumps(content, default=datetime.isoformat), status, media_type="application/json")


# ---------------------------------------------------------------- errors


async def refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return answer({"error": error.detail}, error.status_code)


async def invalid(_: Request, error: Exception) -> Response:
    return answer({"error": str(error)}, 422)


async def not_storable(_: Request, __: Exception) -> Response:
    return answer({"error": "the database cannot store a value of this request"}, 422)


async def no_database(_: Request, error: Exception) -> Response:
    log.warning("database: %s", " ".join(str(error).split()) or type(error).__name__)
    return answer({"error": "the database does not answer"}, 503)
