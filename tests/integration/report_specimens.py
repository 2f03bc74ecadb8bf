"""Reports to look at in a browser: one with everything in it, one that means harm, one as large as they come."""

from __future__ import annotations

from grader.history.events import HttpExchange
from grader.model import (
    Attachment,
    CheckResult,
    Counterexample,
    Evidence,
    LaneStep,
    PostgresInfo,
    Report,
    Verdict,
)
from grader.report import Recorded, render_html
from tests.unit.histories import Story

HOSTILE = (
    "</title></style></script><script>document.title='taken over'</script><img src=x onerror=alert(1)> {{ 7*7 }} "
    "\x1b[31mred\x1b[0m \x1b]8;;http://example.org\x07link\x1b]8;;\x07 \u202eback\u202c \x00 ' \" ` onload=alert(2) //"
)
SHOWN = "<script>document.title='taken over'</script><img src=x onerror=alert(1)> {{ 7*7 }} red link \\u202eback"
"""How the middle of it is to be read."""

READ = "labs/lab-03-worker-service.md#graceful-shutdown"
LAB = "#### Graceful shutdown\n\nA *signal* comes.\n\n```python\nwhile not stop: ...\n```\n\nSee [above](#gone).\n"


def stopped(finishes: bool) -> Story:
    """A worker claims a task and gets SIGTERM; it completes the task, or is ended by the signal."""
    story = Story().start("worker-A").start("worker-B").insert("1", 1.0).insert("2", 1.01)
    for poll in range(8):
        story.step("worker-B", 1.02 + poll / 10, "SELECT id FROM tasks WHERE status = 'pending'", tag="SELECT 0")
    story.step("worker-A", 1.10, "BEGIN", tag="BEGIN", after="T")
    story.step(
        "worker-A", 1.11, "SELECT id FROM tasks FOR UPDATE SKIP LOCKED", tag="SELECT 1", before="T", after="T"
    )
    story.claim("1", 1.12, "worker-A").step("worker-A", 1.13, "COMMIT", tag="COMMIT", before="T")
    story.log("worker-A", 1.14, "claimed task 1").signal("worker-A", "SIGTERM", 1.3)
    if finishes:
        story.complete("1", 1.9, "worker-A").exit("worker-A", 2.0)
    else:
        story.exit("worker-A", 1.303, -15, closed_by="client")
    story.step("worker-B", 1.5, "SELECT id FROM tasks FOR UPDATE", took=0.5)
    return story.note("row-locked", 1.45, task="1", other="2").note("row-let-go", 2.0).note("scenario-over", 2.5)


def order(text: str = "") -> Counterexample:
    lanes = ("worker-A", "worker-B")
    steps = (
        LaneStep(1, lanes[0], f"SELECT id FROM tasks WHERE status = 'pending'{text}", "task 7", "T"),
        LaneStep(2, lanes[1], "SELECT id FROM tasks WHERE status = 'pending'", "task 7", "T"),
        LaneStep(3, lanes[0], "UPDATE tasks", "1 row", "I", changes=(f"task 7: pending → processing{text}",)),
        LaneStep(4, lanes[1], "UPDATE tasks", waits_for="worker-A"),
        LaneStep(5, lanes[1], "UPDATE tasks", "1 row", "I", goes_on=True),
    )
    return Counterexample(lanes, steps, f"task 7 is pending{text}", "two claims of task 7", "A B A B B", 3)


def result(id: str, verdict: Verdict = Verdict.PASS, text: str = "", **more: object) -> CheckResult:
    failed = verdict is Verdict.FAIL
    known: dict[str, object] = {
        "part": id.partition(".")[0],
        "title": f"This is what {id} is about.{text}",
        "points": 2.0 if verdict is Verdict.PASS else 0.0,
        "max_points": 2.0,
        "bonus": id.startswith("x."),
        "expected": f"exit status 0{text}" if failed else None,
        "observed": f"ended by signal 15{text}" if failed else f"it holds{text}",
        "hint": f"The handler only sets a flag.{text}" if failed else None,
        "read": READ,
        "reason": None if failed or verdict is Verdict.PASS else f"builds on 3a.stops, which failed{text}",
    }
    return CheckResult(id=id, verdict=verdict, **{**known, **more})  # type: ignore[arg-type]


def whole(text: str = "") -> str:
    """A page with something of everything; ``text`` comes behind whatever a submission could have written."""
    proof = (Evidence(1.3, f"SIGTERM sent{text}", "worker-A"), Evidence(1.303, f"exited{text}", "worker-A"))
    checks = (
        result("2.read"),
        result("2.list", attachments=(Attachment(f"Question 1{text}", f"An answer{text}\n  in two lines"),)),
        result("3a.stops", Verdict.FAIL, text, evidence=proof, scenario="stopped"),
        result("3a.waits", Verdict.SKIPPED, text),
        result("3a.logs", Verdict.INCONCLUSIVE, text, scenario="stopped+finishes"),
        result("3b.races", Verdict.FAIL, text, counterexample=order(text), coverage=f"12 schedules{text}"),
        result("3b.grader", Verdict.ERROR, text),
        result("x.more", scenario="finishes"),
    )
    nasty = stopped(True).insert(f"7{text}", 1.2, title=f"a title{text}").log("worker-A", 1.4, f"a line{text}")
    recorded = [
        Recorded("stopped", f"The worker gets a signal.{text}", stopped(False).history()),
        Recorded("finishes", f"The same, handled.{text}", nasty.history()),
    ]
    return render_html(_report(checks, text), recorded, {READ: LAB})


def perfect() -> str:
    """A page on which everything holds."""
    checks = (result("2.read"), result("3a.stops", scenario="finishes"), result("x.more"))
    recorded = [Recorded("finishes", "A signal, handled.", stopped(True).history())]
    return render_html(_report(checks), recorded, {READ: LAB})


def largest() -> str:
    """A page of forty checks and forty scenarios with much more in them than fits."""
    checks = [
        result(f"3a.check-{n}", Verdict.FAIL if n % 4 == 0 else Verdict.PASS, " long" * 800, scenario=f"busy_{n}")
        for n in range(40)
    ]
    recorded = [Recorded(f"busy_{n}", "Much happens.", _busy().history()) for n in range(40)]
    return render_html(_report(tuple(checks)), recorded, {READ: LAB})


def _busy() -> Story:
    story = Story().start("api").start("worker-A").start("worker-B")
    for number in range(1, 61):
        at = 1 + number / 10
        story.insert(str(number), at)
        story.step("worker-A", at + 0.01, f"SELECT {number} FROM tasks {'x ' * 200}", tag="SELECT 1", after="T")
        story.claim(str(number), at + 0.02, "worker-A").complete(str(number), at + 0.05, "worker-A")
        for line in range(10):
            story.log("worker-B", at + line / 1000, f"line {number}.{line} {'y' * 300}")
        story.add(
            HttpExchange(
                at=at, service="api", method="GET", path=f"/tasks/{number}", request=None, status=200,
                content_type="application/json", body="{}" * 300, error=None, ended_at=at + 0.004,
            )
        )  # fmt: skip
    return story.note("scenario-over", 9.0)


def _report(checks: tuple[CheckResult, ...], text: str = "") -> Report:
    return Report(
        lab=f"lab-03{text}",
        submission=f"team-7{text}",
        checks=checks,
        isolation="self-check",
        postgres=PostgresInfo("embedded", "18.6", "no Docker engine answers"),
        seed=4711,
        started_at="2025-03-04T10:11:12Z",
        duration_s=83.4,
        notes=(f"The machine stalled.{text}",),
        machine="2 cores",
    )
