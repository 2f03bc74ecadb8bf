import json
import os
import re
import sys
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import psycopg

from api import store

STATUSES = ("pending", "processing", "completed", "failed")
LARGEST = 1 << 20


class Refusal(Exception):
    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    """HTTP/1.0: one request per connection, so nobody's idle connection holds up the shutdown."""

    timeout = 10

    def do_GET(self) -> None:
        self.answer()

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

    def answer(self) -> None:
        try:
            status, content = self.route()
        except Refusal as refusal:
            status, content = refusal.status, {"detail": str(refusal)}
        except (psycopg.DataError, UnicodeEncodeError):
            status, content = 422, {"detail": "the database cannot store this"}
        except psycopg.Error as error:
            print(f"database: {' '.join(str(error).split())}", file=sys.stderr, flush=True)
            status, content = 503, {"detail": "the database does not answer"}
        body = b"" if status == 204 else json.dumps(content, default=str).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def route(self) -> tuple[int, Any]:
        parts = urlsplit(self.path)
        match self.command, parts.path.rstrip("/").split("/")[1:]:
            case "GET", ["health"]:
                return (200, {"status": "ok"}) if store.answers() else (503, {"status": "no database"})
            case "POST", ["tasks"]:
                return 201, store.create(**new_task(self.read_body()))
            case "GET", ["tasks"]:
                return 200, store.list_tasks(*page(parse_qs(parts.query, keep_blank_values=True)))
            case "GET", ["tasks", text]:
                return 200, found(store.read(task_id(text)))
            case "PUT", ["tasks", text]:
                change = self.read_body()
                wanted = task_id(text)
                title, description = text_of(change, "title"), text_of(change, "description")
                if title is not None and not title.strip():
                    raise Refusal(422, "title is blank")
                return 200, found(store.change(wanted, title, description))
            case "DELETE", ["tasks", text]:
                found(store.delete(task_id(text)))
                return 204, None
        raise Refusal(404, "there is nothing here")

    def read_body(self) -> dict[str, Any]:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > LARGEST:
            raise Refusal(413, "the body is too large, or of unknown length")
        try:
            body = json.loads(self.rfile.read(int(length)), parse_constant=no_constant)
        except (ValueError, RecursionError):
            raise Refusal(400, "the body is no JSON") from None
        if not isinstance(body, dict):
            raise Refusal(422, "the body is no JSON object")
        return body

    def log_message(self, format: str, *args: Any) -> None:
        print(f"{self.address_string()} {format % args}", file=sys.stderr, flush=True)


def no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def found(row: Any) -> Any:
    if not row:
        raise Refusal(404, "there is no such task")
    return row


def task_id(text: str) -> UUID:
    if not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text):
        raise Refusal(422, "an id is a UUID")
    return UUID(text)


def text_of(body: dict[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is not None and (not isinstance(value, str) or "\0" in value):
        raise Refusal(422, f"{name} is no text")
    return value


def new_task(body: dict[str, Any]) -> dict[str, Any]:
    title, payload = text_of(body, "title"), body.get("payload", {})
    if title is None or not title.strip():
        raise Refusal(422, "title is missing or blank")
    if not isinstance(payload, dict):
        raise Refusal(422, "payload is no object")
    type_ = text_of(body, "type") or "default"
    return {"title": title, "description": text_of(body, "description") or "", "type_": type_, "payload": payload}


def page(query: dict[str, list[str]]) -> tuple[str | None, int, int]:
    status = query.get("status", [None])[-1]
    if status is not None and status not in STATUSES:
        raise Refusal(422, "there is no such status")
    numbers = []
    for name, default in (("limit", "100"), ("offset", "0")):
        text = query.get(name, [default])[-1]
        if not re.fullmatch(r"[0-9]{1,9}", text):
            raise Refusal(422, f"{name} is no usable number")
        numbers.append(int(text))
    return status, min(numbers[0], 1000), numbers[1]


store.use(os.environ.get("DATABASE_URL", ""))
