"""The HTTP interface, as plain Django views. DELETE hides a task; its row stays for those who ask later."""

import json
import logging
from concurrent.futures import Future, ThreadPoolExecutor

import psycopg
from django.db import DataError, Error, connections, transaction
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from taskboard.models import Task

log = logging.getLogger(__name__)

COLUMNS = (
    *("id", "title", "description", "type", "payload"),
    *("status", "assigned_worker", "created_at", "updated_at"),
)
KINDS = {"title": str, "description": str, "type": str, "payload": dict}
probes = ThreadPoolExecutor(8, thread_name_prefix="probe")


class Refused(Exception):
    """What is wrong with a request."""


def answer(task: Task, status: int = 200) -> JsonResponse:
    return JsonResponse({name: getattr(task, name) for name in COLUMNS}, status=status)


def problem(status: int, text: str) -> JsonResponse:
    return JsonResponse({"error": text}, status=status)


def guarded(view):
    """Errors of clients and of the database, as answers."""

    def handle(request: HttpRequest, **arguments) -> HttpResponse:
        try:
            return view(request, **arguments)
        except Task.DoesNotExist:
            return problem(404, "no such task")
        except (Refused, ValueError, DataError) as error:  # the last two: a NUL byte, half a character
            return problem(422, str(error) if isinstance(error, Refused) else "cannot be stored")
        except Error as error:
            log.warning("database: %s", " ".join(str(error).split()))
            return problem(503, "the database does not answer")

    return handle


def body_of(request: HttpRequest, *, allowed: tuple[str, ...]) -> dict:
    try:
        body = json.loads(request.body)
    except ValueError:
        raise Refused("the body is no JSON") from None
    if not isinstance(body, dict):
        raise Refused("the body is no object")
    values = {name: body[name] for name in allowed if name in body}
    for name, value in values.items():
        if not isinstance(value, KINDS[name]):
            raise Refused(f"{name} has the wrong type")
    if "title" in values and not values["title"].strip():
        raise Refused("title is blank")
    return values


def number_of(request: HttpRequest, name: str, default: int, smallest: int) -> int:
    value = request.GET.get(name, str(default))
    if not (value.isascii() and value.isdecimal() and smallest <= int(value) < 2**31):
        raise Refused(f"{name} is no number from {smallest} on")
    return int(value)


def key_of(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) < 2**63):
        raise Task.DoesNotExist
    return int(text)


@guarded
def tasks(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        values = body_of(request, allowed=("title", "description", "type", "payload"))
        if "title" not in values:
            raise Refused("title is missing")
        with transaction.atomic():
            task = Task(**values)
            task.save(force_insert=True)
            task.refresh_from_db()
        return answer(task, 201)
    if request.method != "GET":
        return problem(405, "GET or POST")
    found = Task.present.order_by("created_at", "pk")
    if status := request.GET.get("status"):
        if status not in Task.Status.values:
            raise Refused("no such status")
        found = found.filter(status=status)
    offset, limit = number_of(request, "offset", 0, 0), number_of(request, "limit", 200, 1)
    return JsonResponse({"items": list(found.values(*COLUMNS)[offset : offset + limit])})


@guarded
def one_task(request: HttpRequest, key: str) -> HttpResponse:
    chosen = Task.present.filter(pk=key_of(key))
    if request.method == "PUT":
        values = body_of(request, allowed=("title", "description"))
        if not chosen.update(**values, updated_at=Now()):
            raise Task.DoesNotExist
        return answer(chosen.get())
    if request.method == "DELETE":
        if not chosen.update(removed_at=Now()):
            raise Task.DoesNotExist
        return HttpResponse(status=204)
    if request.method != "GET":
        return problem(405, "GET, PUT or DELETE")
    return answer(chosen.get())


def health(_: HttpRequest) -> HttpResponse:
    probe: Future[bool] = probes.submit(_answers)
    try:
        healthy = probe.result(timeout=1.5)
    except TimeoutError:
        healthy = False
    return JsonResponse({"database": healthy}, status=200 if healthy else 503)


def _answers() -> bool:
    parameters = connections["default"].get_connection_params()
    parameters = {key: value for key, value in parameters.items() if key not in ("cursor_factory", "context")}
    try:
        with psycopg.connect(**parameters, autocommit=True) as connection:
            connection.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True


urlpatterns = [path("health", health), path("tasks", tasks), path("tasks/<str:key>", one_task)]
