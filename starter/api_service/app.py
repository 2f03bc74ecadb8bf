"""HTTP: which request does what, what is refused, and how errors look."""

import asyncio
import json
import logging
from datetime import datetime
from typing import Annotated, Literal

import psycopg
from fastapi import FastAPI, HTTPException, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import AfterValidator, BaseModel, JsonValue

from api_service import tasks
from api_service.database import Database

log = logging.getLogger("api_service")

HEALTH_TIMEOUT = 1.5
"""Seconds; the caller wants an answer within two."""

BIGGEST_ID = 2**63 - 1


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


Title = Annotated[str, AfterValidator(_not_blank)]
TaskId = Annotated[int, Path(ge=1, le=BIGGEST_ID)]
Status = Literal["pending", "processing", "completed", "failed"]


class NewTask(BaseModel):
    """What a client may say about a new task; anything else in the body, such as a status, is ignored."""

    title: Title
    description: str = ""
    type: str = "default"
    payload: dict[str, JsonValue] = {}


class TaskChange(BaseModel):
    title: Title | None = None
    description: str | None = None


def create_app(database: Database) -> FastAPI:
    """Handlers are plain functions: FastAPI runs them in threads, where waiting for the database blocks nobody."""
    app = FastAPI(title="FlowForge api-service")
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(psycopg.DataError, _not_storable)
    app.add_exception_handler(UnicodeEncodeError, _not_storable)
    app.add_exception_handler(psycopg.Error, _database_failed)

    @app.get("/health")
    async def health() -> JSONResponse:
        # Not wait_for: it would wait until the question is cancelled, and that asks the database too.
        question = asyncio.create_task(tasks.answers(database.url))
        answered, _ = await asyncio.wait({question}, timeout=HEALTH_TIMEOUT)
        if not answered:
            question.cancel()
        if answered and question.result():
            return JSONResponse({"status": "ok"})
        return JSONResponse({"status": "the database does not answer"}, status_code=503)

    @app.post("/tasks", status_code=201)
    def create_task(new: NewTask) -> Response:
        with database.connection() as connection:
            return _json(tasks.create(connection, new.title, new.description, new.type, new.payload), status=201)

    @app.get("/tasks")
    def list_tasks(
        status: Status | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        offset: Annotated[int, Query(ge=0, le=BIGGEST_ID)] = 0,
    ) -> Response:
        with database.connection() as connection:
            return _json(tasks.read_all(connection, status, limit, offset))

    @app.get("/tasks/{task_id}")
    def read_task(task_id: TaskId) -> Response:
        with database.connection() as connection:
            return _json(_found(tasks.read(connection, task_id)))

    @app.put("/tasks/{task_id}")
    def update_task(task_id: TaskId, change: TaskChange) -> Response:
        with database.connection() as connection:
            return _json(_found(tasks.update(connection, task_id, change.title, change.description)))

    @app.delete("/tasks/{task_id}", status_code=204)
    def delete_task(task_id: TaskId) -> None:
        with database.connection() as connection:
            if not tasks.delete(connection, task_id):
                raise HTTPException(404, "there is no such task")

    return app


def _json(content: tasks.Row | list[tasks.Row], status: int = 200) -> Response:
    """Written by ourselves: FastAPI reads a payload that is nested 255 deep, but can write none that deep."""
    body = json.dumps(content, default=datetime.isoformat)
    return Response(body, status_code=status, media_type="application/json")


def _found(task: tasks.Row | None) -> tasks.Row:
    if task is None:
        raise HTTPException(404, "there is no such task")
    return task


def _invalid(_: Request, error: Exception) -> JSONResponse:
    """What is wrong, and where. FastAPI's own answer quotes the input, and fails if it is no JSON (NaN)."""
    assert isinstance(error, RequestValidationError)
    problems = [
        {"where": [str(part) for part in problem["loc"][:2]], "problem": problem["msg"]}
        for problem in error.errors()
    ]
    return JSONResponse({"detail": problems}, status_code=422)


def _not_storable(_: Request, __: Exception) -> JSONResponse:
    """A NUL byte, half a Unicode character, NaN in the payload: Python can hold them, PostgreSQL cannot."""
    return JSONResponse({"detail": "a value in the request cannot be stored"}, status_code=422)


def _database_failed(_: Request, error: Exception) -> JSONResponse:
    log.warning("the database failed: %s", " ".join(str(error).split()))
    return JSONResponse({"detail": "the database does not answer, try again later"}, status_code=503)
