"""Faults that show at one moment alone, put into a copy of the solution: holding a step finds them every time."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.integration.test_faults import ROOT, graded

WORKER, QUEUE, APP = "worker_service/worker.py", "worker_service/queue.py", "api_service/app.py"
Change = tuple[str, str, str]
"""A file, a piece of its text, and what stands there instead."""

RECORD = "        if queue.finish(connection, task, result.status):\n"
TELL = '        log.info("%s task=%s after %.2f s", result.status, task.id, result.seconds)\n'
LOOK = "            if self._stop.wait(0):\n                return\n"
IDLE = "                self._stop.wait(self._settings.poll_interval)\n"
WORK = "                    self._result = self._work(task)\n                    self._record_result(connection)\n"
FINISH = '''    done = connection.execute(
        """UPDATE tasks SET status = %(status)s, updated_at = now()
           WHERE id = %(id)s AND attempts = %(attempt)s AND status IN ('processing', %(status)s)""",
        {"status": status, "id": task.id, "attempt": task.attempt},
    )
    return done.rowcount == 1
'''
CREATE = """        with database.connection() as connection:
            return _json(tasks.create(connection, new.title, new.description, new.type, new.payload), status=201)
"""
FUNCTIONS = """
CREATE FUNCTION create_task(title text, description text, type text, payload jsonb) RETURNS tasks LANGUAGE sql AS $$
    INSERT INTO tasks (title, description, type, payload) VALUES ($1, $2, $3, $4) RETURNING *
$$;
CREATE FUNCTION finish_task(which bigint, ended text, attempt integer) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
    UPDATE tasks SET status = ended, updated_at = now()
    WHERE id = which AND attempts = attempt AND status IN ('processing', ended);
    RETURN FOUND;
END $$;
"""
IN_FUNCTIONS: tuple[Change, ...] = (
    (
        "api_service/tasks.py",
        'f"INSERT INTO tasks (title, description, type, payload) VALUES (%s, %s, %s, %s) RETURNING {COLUMNS}"',
        'f"SELECT {COLUMNS} FROM create_task(%s, %s, %s, %s)"',
    ),
    (
        QUEUE,
        FINISH,
        """    row = connection.execute("SELECT finish_task(%s, %s, %s)", (task.id, status, task.attempt)).fetchone()
    return row == (True,)
""",
    ),
)

LOGGED_FIRST: Change = (WORKER, RECORD, TELL + RECORD)
LOGGED_ANYWAY: Change = (
    WORKER,
    RECORD,
    """        try:
            done = queue.finish(connection, task, result.status)
        except psycopg.Error:
            done = True
        if done:
""",
)
LOGGED_INSIDE: Change = (
    WORKER,
    RECORD,
    "        with connection.transaction():\n"
    "            done = queue.finish(connection, task, result.status)\n"
    "    " + TELL + "        if done:\n",
)
ANSWERED_FIRST: Change = (
    APP,
    CREATE,
    """        from starlette.background import BackgroundTask
        connection = psycopg.connect(database.url, row_factory=psycopg.rows.dict_row)
        row = tasks.create(connection, new.title, new.description, new.type, new.payload)
        answer = _json(row, status=201)
        answer.background = BackgroundTask(lambda: (connection.commit(), connection.close()))
        return answer
""",
)
ANSWERED_ANYWAY: Change = (
    APP,
    CREATE,
    """        with database.connection() as connection:
            try:
                with connection.transaction():
                    row = tasks.create(connection, new.title, new.description, new.type, new.payload)
            except psycopg.OperationalError:
                log.warning("the commit failed")
            return _json(row, status=201)
""",
)
LOOKS_THEN_UPDATES: Change = (
    QUEUE,
    FINISH,
    """    mine = connection.execute(
        "SELECT attempts = %s AND status = 'processing' FROM tasks WHERE id = %s", (task.attempt, task.id)
    ).fetchone()
    if mine == (True,):
        connection.execute("UPDATE tasks SET status = %s, updated_at = now() WHERE id = %s", (status, task.id))
    return mine == (True,)
""",
)
FENCED_BY_STATUS: Change = (QUEUE, "AND attempts = %(attempt)s AND status", "AND status")
LOOKS_AT_THE_END_OF_WORK: tuple[Change, ...] = (
    (WORKER, LOOK, ""),
    (
        WORKER,
        IDLE,
        IDLE.replace("self._stop.wait(", "if self._stop.wait(").rstrip() + ":\n" + " " * 20 + "return\n",
    ),
    (
        WORKER,
        WORK,
        WORK.replace("task)\n", "task)\n                    stop = self._stop.wait(0)\n")
        + "                if stop:\n                    return\n",
    ),
)
NO_LIMIT: Change = (QUEUE, "ORDER BY created_at, id LIMIT 1\n", "ORDER BY created_at, id\n")
THROUGH_THE_WORK: tuple[Change, ...] = (
    (QUEUE, "    with connection.transaction():\n", '    connection.execute("BEGIN")\n    if True:\n'),
    (
        QUEUE,
        "    return task\n",
        '    if task is None:\n        connection.execute("ROLLBACK")\n    return task\n',
    ),
    (
        QUEUE,
        "    return done.rowcount == 1\n",
        '    connection.execute("COMMIT")\n    return done.rowcount == 1\n',
    ),
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(
        shutil.copytree(ROOT / "solution", tmp_path / "copy", ignore=shutil.ignore_patterns("__pycache__"))
    )


def put_in(copy: Path, *changes: Change) -> None:
    for file, before, after in changes:
        text = (copy / file).read_text()
        assert before in text
        (copy / file).write_text(text.replace(before, after))


def move_into_functions(copy: Path) -> None:
    put_in(copy, *IN_FUNCTIONS)
    (copy / "migrations" / "0002_functions.up.sql").write_text(FUNCTIONS)
    (copy / "migrations" / "0002_functions.down.sql").write_text(
        "DROP FUNCTION finish_task; DROP FUNCTION create_task;"
    )


@pytest.mark.parametrize("in_functions", [False, True], ids=["writes in sight", "writes in functions"])
@pytest.mark.parametrize(
    ("changes", "checks"),
    [
        pytest.param([LOGGED_FIRST, ANSWERED_FIRST], ["2.create", "3a.log-tasks"], id="told before the commit"),
        pytest.param(
            [LOGGED_ANYWAY, ANSWERED_ANYWAY], ["2.create", "3a.log-tasks"], id="told after a failed commit"
        ),
        pytest.param([LOGGED_INSIDE], ["3a.log-tasks"], id="told between a statement and its commit"),
    ],
)
def test_what_is_told_and_not_stored_fails(
    copy: Path, tmp_path: Path, changes: list[Change], checks: list[str], in_functions: bool
) -> None:
    if in_functions:
        move_into_functions(copy)
    put_in(copy, *changes)
    assert graded(copy, tmp_path / "reports", *checks) == dict.fromkeys(checks, "fail")


@pytest.mark.parametrize(
    ("changes", "verdicts"),
    [
        pytest.param([LOOKS_THEN_UPDATES], {"x.fencing": "fail"}, id="looks who owns the task, then updates"),
        pytest.param([FENCED_BY_STATUS], {"x.fencing": "fail"}, id="looks at the status alone"),
        pytest.param(
            LOOKS_AT_THE_END_OF_WORK,
            {"3a.sigterm-finishes-task": "pass", "3a.sigterm-takes-no-more": "fail"},
            id="looks at the signal before it completes",
        ),
        pytest.param([NO_LIMIT], {"3b.skip-locked": "fail", "3b.oldest-first": "pass"}, id="locks every row"),
    ],
)
def test_what_shows_at_one_moment_fails(
    copy: Path, tmp_path: Path, changes: list[Change], verdicts: dict[str, str]
) -> None:
    put_in(copy, *changes)
    assert graded(copy, tmp_path / "reports", *verdicts) == verdicts


ALL = ("2.create", "3a.log-tasks", "3a.sigterm-takes-no-more", "3b.skip-locked", "x.fencing")


def test_writes_in_functions_are_as_good(copy: Path, tmp_path: Path) -> None:
    move_into_functions(copy)
    assert graded(copy, tmp_path / "reports", *ALL) == dict.fromkeys(ALL, "pass")


def test_a_transaction_held_through_the_work_is_as_good(copy: Path, tmp_path: Path) -> None:
    put_in(copy, *THROUGH_THE_WORK)
    assert graded(copy, tmp_path / "reports", *ALL) == dict.fromkeys(ALL, "pass")
