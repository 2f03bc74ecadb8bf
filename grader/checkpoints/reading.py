"""Part 2: how the api-service reads one task, and lists many."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from grader.checkpoints.api import LAB
from grader.checkpoints.evidence import asked, list_of, short
from grader.checkpoints.health import database_gone_for_the_api
from grader.checkpoints.over_http import OF_ONE_STATUS, PAGE, SHORT_PAGE, tasks_over_http
from grader.checkpoints.replies import first, ids_of, never_answered, plain_task, seen_of
from grader.checkpoints.requests import BAD_IDS
from grader.checkpoints.validation import bad_requests
from grader.declare import check
from grader.history.events import HttpExchange, Moment
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need
from grader.model import Evidence


@check(
    "2.read",
    points=2,
    on=(tasks_over_http, bad_requests, database_gone_for_the_api),
    hint="No row: 404. An id that cannot be one, or is too large for the column: 400, 404 or 422, never a 500.",
    read=f"{LAB}#the-api-service-you-bring",
)
def reads(history: History, many: History, gone: History) -> Judgement:
    """GET /tasks/{id} answers with that task; with 404 if there is none, each time; with 400, 404 or 422 if it is no id.

    A client can only act on an answer that tells apart: here it is, there is none, that is no id. A 500 says that
    the service is broken, although the request was.
    """
    if silent := never_answered(history):
        return silent
    moment = need(history.moment("reads"), "the api-service did not come as far as reading")
    unknown = need(history.moment("reads-unknown"), "the api-service did not come as far as reading")
    one = need(first(history, "GET", f"/tasks/{moment.detail['task']}", moment.at), "no task was read")
    task = plain_task(one) or {}
    wanted = {"id": moment.detail["task"], "title": moment.detail["title"], "status": "pending"}
    if one.status != 200 or any(str(task.get(key)) != value for key, value in wanted.items()):
        return broken(
            asked(one),
            expected="200 and the task",
            observed=seen_of(one) if one.status != 200 else f"not that task: {short(one.body, 80)}",
            hint="GET /tasks/{id} answers with one JSON object: the row with that id, as it is in the table.",
        )
    missing = need(first(history, "GET", f"/tasks/{unknown.detail['task']}", unknown.at), "nothing was read")
    if missing.status != 404:
        return broken(asked(missing), expected="404 for an id that is not there", observed=seen_of(missing))
    for bad in BAD_IDS:
        answer = need(first(history, "GET", f"/tasks/{bad}", moment.at), "the malformed ids were not asked for")
        if answer.status not in (400, 404, 422):
            return broken(
                asked(answer), expected="400, 404 or 422 for an id that is none", observed=seen_of(answer)
            )
    if problem := _problem_after_many(many) or _made_up_answer(gone):
        return problem
    return holds(f"one task by id, 404 for {unknown.detail['task']}, 4xx for {len(BAD_IDS)} malformed ids")


def _problem_after_many(history: History) -> Judgement | None:
    """What is wrong after many requests for a task that is not there; each is one like the others."""
    moment = need(history.moment("asks-in-vain"), "the unknown task was asked for but once")
    over = need(history.moment("asked-in-vain"), "the scenario came to no end")
    asked_for = [e for e in history.exchanges("GET") if moment.at <= e.at < over.at]
    need(len(asked_for) > 1 or None, "the unknown task was not asked for")
    *in_vain, last = asked_for
    wrong = [e for e in in_vain if e.status != 404]
    if wrong or last.status != 200:
        problem, before = wrong[0] if wrong else last, len(in_vain) - len(wrong)
        return broken(
            asked(problem),
            expected=f"{'404' if wrong else '200'}, also after {before} request{'s' * (before != 1)} for a task that "
            "is not there",
            observed=seen_of(problem),
            hint="Does a request that ends with 404 give its database connection back? Let a with block do it.",
        )
    return None


def _made_up_answer(history: History) -> Judgement | None:
    """What an api-service said of a task that it could not ask for: that there is none."""
    moment = need(history.moment("asks-without-database"), "no task was asked for with the database gone")
    over = need(history.moment("asked-without-database"), "no task was asked for with the database gone")
    task = moment.detail["task"]
    answers = [e for e in history.exchanges("GET") if moment.at <= e.at < over.at]
    need(answers or None, "no task was asked for with the database gone")
    made_up = [
        e
        for e in answers
        if e.status == 404 or (e.status == 200 and (ids := ids_of(e)) is not None and task not in ids)
    ]
    if not made_up:
        return None
    return broken(
        *[asked(e) for e in made_up],
        expected=f"with the database gone, no answer that says that task {task} does not exist (503, or any other "
        "error, is fine)",
        observed=seen_of(made_up[0]) + ("" if made_up[0].status == 404 else ", and a list without it"),
        hint="An except that catches everything turns “I cannot know” into “there is none”. Catch what you expect.",
    )


@check(
    "2.list",
    points=2,
    on=tasks_over_http,
    hint="ORDER BY something unique that no change moves (created_at, id), then LIMIT and OFFSET; the status filter "
    "is a WHERE.",
    read=f"{LAB}#the-api-service-you-bring",
)
def lists(history: History) -> Judgement:
    """GET /tasks lists every task, filters by status, and pages through all of them exactly once.

    Clients walk long lists page by page. Without a fixed order, a task can be on two pages or on none, and it
    happens only under load.
    """
    if silent := never_answered(history):
        return silent
    moment = need(history.moment("lists"), "the api-service did not come as far as listing")
    end = need(history.moment("listed"), "the lists were not asked for")
    if refused := history.moment("refused"):
        return broken(
            expected=f"a task may be {refused.detail['status']}, and a list then shows it",
            observed=short(refused.detail["why"]),
            hint="The four statuses are pending, processing, completed and failed, in the table as well.",
        )
    rows: dict[str, str] = {str(key): value for key, value in moment.detail["rows"].items()}
    answers = [e for e in history.exchanges("GET", "/tasks") if moment.at <= e.at < end.at]
    for answer in answers:
        if problem := _list_problem(answer, rows):
            return problem
    some = {task: status for task, status in rows.items() if status == OF_ONE_STATUS}
    for wanted, status, size in ((rows, None, PAGE), (some, OF_ONE_STATUS, SHORT_PAGE)):
        pages = [e for e in answers if _size_of(e) is not None and _query_of(e, "status") == status]
        moves = [] if status else [m for m in history.moments("moved-on") if moment.at <= m.at < end.at]
        if problem := _paging_problem(pages, moves, wanted, status, size):
            return problem
    return holds(f"{len(rows)} tasks, four filters, and pages of {PAGE} that hold each task once")


def _paging_problem(
    pages: list[HttpExchange], moves: list[Moment], wanted: dict[str, str], status: str | None, size: int
) -> Judgement | None:
    ids = [task for answer in pages for task in ids_of(answer) or ()]
    need(pages or None, "the pages were not asked for")
    if sorted(ids) == sorted(wanted):
        return None
    twice = sorted({task for task in ids if ids.count(task) > 1})
    seen = [*[asked(e) for e in pages[:6]], *[_moved_on(moment) for moment in moves]]
    return broken(
        *sorted(seen, key=lambda line: line.at),
        expected=f"pages of {size} that hold each of the {len(wanted)} {f'{status} ' if status else ''}tasks once",
        observed=f"left out: {list_of([task for task in wanted if task not in ids])}; twice: {list_of(twice)}",
        hint="Filter first, then count: WHERE belongs to the query that has LIMIT and OFFSET." if status else None,
    )


def _moved_on(moment: Moment) -> Evidence:
    """What the scenario did to tasks between two pages."""
    tasks = list_of(moment.detail["tasks"])
    return Evidence(moment.at, f"task {tasks} changed by the grader: updated_at is now the latest")


def _query_of(exchange: HttpExchange, name: str) -> str | None:
    return next(iter(parse_qs(urlsplit(exchange.path).query).get(name, ())), None)


def _size_of(exchange: HttpExchange) -> int | None:
    """How many tasks a page may hold; None: no page was asked for."""
    limit = _query_of(exchange, "limit")
    return None if limit is None else int(limit)


def _list_problem(answer: HttpExchange, rows: dict[str, str]) -> Judgement | None:
    ids = ids_of(answer)
    if answer.status != 200 or ids is None:
        return broken(
            asked(answer),
            expected=f"GET {answer.path}: 200 and a JSON array of tasks (or an object with it under items, tasks or data)",
            observed=seen_of(answer) if answer.status != 200 else short(answer.body, 60),
            hint="A list is an array, also where it is empty; its status filter knows the four words that stand in the "
            "table, as they stand there.",
        )
    size, status, offset = _size_of(answer), _query_of(answer, "status"), _query_of(answer, "offset")
    if size is not None:
        if len(ids) <= size:
            return None
        return broken(asked(answer), expected=f"{size} tasks at most", observed=f"{len(ids)} tasks")
    if offset is not None:
        return _rest_problem(answer, ids, rows, int(offset))
    wanted = [task for task, its in rows.items() if status in (None, its)]
    if sorted(ids) == sorted(wanted):
        return None
    return broken(
        asked(answer),
        expected=f"{len(wanted)} tasks{f' with status {status}' if status else ', without a limit'}",
        observed=f"{len(ids)} tasks; left out: {list_of([task for task in wanted if task not in ids])}; "
        f"out of place: {list_of([task for task in ids if task not in wanted])}",
        hint="The status filter is a WHERE in the query." if status else _WITHOUT_A_LIMIT,
    )


_WITHOUT_A_LIMIT = (
    "Without limit and status a list holds every task of the table, however many, whatever became of them."
)


def _rest_problem(answer: HttpExchange, ids: list[str], rows: dict[str, str], offset: int) -> Judgement | None:
    """What is wrong with a list from some place on, to its end."""
    left = len(rows) - offset
    if len(set(ids)) == len(ids) == left and set(ids) <= rows.keys():
        return None
    return broken(
        asked(answer),
        expected=f"the last {left} of {len(rows)} tasks: offset means something without a limit, too",
        observed=f"{len(ids)} tasks",
        hint="offset counts tasks, not pages: it is the OFFSET of the query, with a LIMIT and without one.",
    )
