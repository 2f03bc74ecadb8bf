from __future__ import annotations

from dataclasses import replace

import pytest

from grader.declare import Check, Scenario, check, scenario
from grader.errors import Internal
from grader.history.events import ClockSet, ConnectionReady, LimitHit, Moment, Refused, RowChanged
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need
from grader.judging import Judge, Take
from grader.model import Evidence, Verdict

READ = "labs/contract.md#environment"
EMPTY = History([])
SEEN = History([Moment(at=1.0, name="seen", detail={})])


@scenario()
def first(lab: object) -> None:
    """The first scenario."""


@scenario()
def second(lab: object) -> None:
    """The second scenario."""


def declared(
    name: str,
    judgement: Judgement | Exception | None,
    *,
    on: Scenario = first,
    after: tuple[Check, ...] = (),
    explained_by: tuple[Check, ...] = (),
    fails_where_not_seen: bool = False,
) -> Check:
    def judge(history: History) -> Judgement:
        """It holds.

        It matters.
        """
        if isinstance(judgement, Exception):
            raise judgement
        if fails_where_not_seen and history.moment("seen") is None:
            return broken(expected="to see it", observed="nothing was seen")
        if judgement is None:
            need(history.moment("seen"), "nothing was seen")
            return holds("seen")
        return judgement

    return check(name, points=2, on=on, hint="Look again.", read=READ, after=after, explained_by=explained_by)(
        judge
    )


PASSES = declared("2.passes", holds("fine"))
FAILS = declared("2.fails", broken(expected="this", observed="that"))
BUGGY = declared("2.buggy", ValueError("oops"))
NEEDS = declared("2.needs", None)


def results(*checks: Check, **takes: list[Take]) -> dict[str, tuple[Verdict, float]]:
    found = Judge(checks, dict(takes)).results()
    return {name: (result.verdict, result.points) for name, result in found.items()}


def test_a_check_that_holds_gets_its_points_and_one_that_is_broken_gets_none() -> None:
    assert results(PASSES, FAILS, first=[Take(EMPTY, 1)]) == {
        "2.passes": (Verdict.PASS, 2),
        "2.fails": (Verdict.FAIL, 0),
    }


def test_a_check_waits_for_its_scenario() -> None:
    assert results(PASSES) == {}


def test_a_bug_in_a_check_is_an_error_and_never_a_failure() -> None:
    assert results(BUGGY, first=[Take(EMPTY, 1)]) == {"2.buggy": (Verdict.ERROR, 0)}


def test_a_scenario_that_the_grader_failed_to_drive_is_an_error() -> None:
    assert results(PASSES, first=[Take(None, 1, "no database")]) == {"2.passes": (Verdict.ERROR, 0)}


def test_what_was_not_seen_is_inconclusive() -> None:
    assert results(NEEDS, first=[Take(EMPTY, 1)]) == {"2.needs": (Verdict.INCONCLUSIVE, 0)}


def test_a_second_take_is_looked_at_only_when_the_first_was_inconclusive() -> None:
    assert results(NEEDS, first=[Take(EMPTY, 1), Take(SEEN, 1)]) == {"2.needs": (Verdict.PASS, 2)}
    assert results(NEEDS, first=[Take(SEEN, 1), Take(EMPTY, 1)]) == {"2.needs": (Verdict.PASS, 2)}


def at(history: History, patience: float) -> Take:
    """A take of a machine that was so many times slower than a quiet one."""
    return Take(History(history.events, patience), 1)


SLOW = declared("2.slow", None, fails_where_not_seen=True)


def test_a_failure_that_could_not_be_tried_again_on_a_much_slower_machine_is_none() -> None:
    lost = Take.recorded(History([], 2.0), 1, "the engine is gone")
    assert results(FAILS, first=[Take(History([], 1.0), 1), lost]) == {"2.fails": (Verdict.ERROR, 0)}
    as_quick = Take.recorded(History([], 1.9), 1, "the engine is gone")
    assert results(FAILS, first=[Take(History([], 1.0), 1), as_quick]) == {"2.fails": (Verdict.FAIL, 0)}


def test_a_failure_that_a_much_slower_machine_may_explain_is_none_if_it_does_not_come_again() -> None:
    [result] = Judge((SLOW,), {"first": [at(EMPTY, 1.5), at(SEEN, 3.0)]}).results().values()
    assert (result.verdict, result.points) == (Verdict.INCONCLUSIVE, 0)
    assert result.reason is not None
    assert result.reason.startswith(
        "Could not be judged: the machine became 2.0 times slower meanwhile. It failed"
    )
    assert "(nothing was seen), and held when it was tried again" in result.reason


def test_a_failure_that_comes_again_with_more_time_is_one() -> None:
    assert results(SLOW, first=[at(EMPTY, 1), at(EMPTY, 4)]) == {"2.slow": (Verdict.FAIL, 0)}


def test_a_failure_on_a_machine_that_is_as_it_was_stands_whatever_comes_after() -> None:
    assert results(SLOW, first=[at(EMPTY, 1.5), at(SEEN, 2.9)]) == {"2.slow": (Verdict.FAIL, 0)}


def test_a_record_that_was_tampered_with_stays_so_however_slow_the_machine_became() -> None:
    forged = Take(EMPTY, 1, tampering=(Evidence(0.5, "the audit tells otherwise"),))
    [result] = Judge((PASSES,), {"first": [forged, at(SEEN, 4)]}).results().values()
    assert result.verdict is Verdict.FAIL


def test_while_the_clock_is_set_nothing_can_be_judged_and_nobody_is_accused() -> None:
    jumped = History([ClockSet(at=0.5, seconds=-3600.0)])
    for take in (Take(jumped, 1), Take(jumped, 1, tampering=(Evidence(0.5, "the audit tells otherwise"),))):
        [result] = Judge((FAILS,), {"first": [take]}).results().values()
        assert result.verdict is Verdict.INCONCLUSIVE
        assert result.reason == (
            "Could not be judged: the machine's clock was set, by -3600.0 s, while it was recorded"
        )


def test_a_check_that_builds_on_a_failed_one_is_skipped_and_names_it_through_the_whole_chain() -> None:
    middle = declared("3a.middle", holds("fine"), on=second, after=(FAILS,))
    last = declared("3a.last", holds("fine"), on=second, after=(middle,))
    found = Judge((FAILS, middle, last), {"first": [Take(EMPTY, 1)]}).results()
    assert [found[name].verdict for name in ("3a.middle", "3a.last")] == [Verdict.SKIPPED] * 2
    assert found["3a.last"].reason == "builds on 2.fails, which failed"


def test_what_could_not_be_judged_for_a_fault_of_the_submission_is_skipped_and_names_it() -> None:
    unclear = declared("3a.unclear", None, explained_by=(FAILS,))
    [_, result] = Judge((FAILS, unclear), {"first": [Take(EMPTY, 1)]}).results().values()
    assert (result.verdict, result.reason) == (Verdict.SKIPPED, "builds on 2.fails, which failed")


def test_what_explains_a_check_may_come_after_it() -> None:
    later = declared("3b.later", broken(expected="this", observed="that"), on=second)
    unclear = declared("3a.unclear", None, explained_by=(later,))
    takes = {"first": [Take(EMPTY, 1)], "second": [Take(EMPTY, 1)]}
    found = Judge((unclear, later), takes).results()
    assert list(found) == ["3a.unclear", "3b.later"]
    assert found["3a.unclear"].reason == "builds on 3b.later, which failed"
    assert Judge((unclear, later), {"first": [Take(EMPTY, 1)]}).results() == {}


def test_a_check_that_can_be_judged_alone_is_judged_whatever_else_failed() -> None:
    clear = declared("3a.clear", None, explained_by=(FAILS,))
    assert results(FAILS, clear, first=[Take(SEEN, 1)])["3a.clear"] == (Verdict.PASS, 2)


def test_what_could_not_be_judged_stays_inconclusive_when_nothing_explains_it() -> None:
    unclear = declared("3a.unclear", None, explained_by=(PASSES,))
    assert results(PASSES, unclear, first=[Take(EMPTY, 1)])["3a.unclear"] == (Verdict.INCONCLUSIVE, 0)
    assert results(unclear, first=[Take(EMPTY, 1)])["3a.unclear"] == (Verdict.INCONCLUSIVE, 0)


def test_nothing_is_said_of_what_could_not_be_judged_until_all_that_may_explain_it_is_known() -> None:
    later = declared("2.later", broken(expected="this", observed="that"), on=second)
    unclear = declared("3a.unclear", None, explained_by=(later,))
    assert results(later, unclear, first=[Take(EMPTY, 1)]) == {}


def test_a_check_that_builds_on_one_that_was_not_asked_for_is_judged() -> None:
    alone = declared("3a.alone", holds("fine"), after=(FAILS,))
    assert results(alone, first=[Take(EMPTY, 1)]) == {"3a.alone": (Verdict.PASS, 2)}


def test_a_failure_that_spoils_one_scenario_leaves_what_is_judged_on_others() -> None:
    fails = declared("2.half", broken(expected="this", observed="that", spoils=["first"]), on=second)
    there = declared("3a.there", holds("fine"), on=first, after=(fails,))
    behind = declared("3a.behind", holds("fine"), on=second, after=(there,))
    elsewhere = declared("3a.elsewhere", holds("fine"), on=second, after=(fails,))
    take = [Take(EMPTY, 1)]
    found = Judge((fails, there, behind, elsewhere), {"first": take, "second": take}).results()
    assert [found[c.id].verdict for c in (fails, there, behind, elsewhere)] == [
        Verdict.FAIL,
        Verdict.SKIPPED,
        Verdict.SKIPPED,
        Verdict.PASS,
    ]


def test_a_failure_without_a_word_on_what_was_seen_is_an_error_of_the_grader() -> None:
    silent = declared("2.silent", replace(broken(expected="this", observed="that"), observed=""))
    assert results(silent, first=[Take(EMPTY, 1)]) == {"2.silent": (Verdict.ERROR, 0)}


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"hint": " "}, "hint"),
        ({"read": "labs/contract.md#no-such-heading"}, "no heading"),
        ({"read": "labs/no-such-page.md#environment"}, "no heading"),
        ({"points": 0}, "points"),
        ({"on": ()}, "scenarios"),
        ({"on": (first, second)}, "one history for each"),
        ({"id": "3a.Upper"}, "id"),
        ({"id": "9.part"}, "id"),
    ],
)
def test_an_incomplete_declaration_is_refused(changed: dict[str, object], complaint: str) -> None:
    def judge(history: History) -> Judgement:
        """It holds.

        It matters.
        """
        return holds("fine")

    wanted: dict[str, object] = {"id": "2.fine", "points": 1, "on": first, "hint": "Look.", "read": READ}
    with pytest.raises(Internal, match=complaint):
        check(**{**wanted, **changed})(judge)  # type: ignore[arg-type]


def test_a_check_without_a_sentence_is_refused() -> None:
    def judge(history: History) -> Judgement:
        return holds("fine")

    with pytest.raises(Internal, match="sentence"):
        check("2.fine", points=1, on=first, hint="Look.", read=READ)(judge)


def test_a_check_that_does_not_say_why_it_matters_is_refused() -> None:
    def judge(history: History) -> Judgement:
        """It holds."""
        return holds("fine")

    with pytest.raises(Internal, match="why it matters"):
        check("2.fine", points=1, on=first, hint="Look.", read=READ)(judge)


# ---------------------------------------------------------------- what cannot be believed, and limits

READY = ConnectionReady(at=0.1, service="worker-A", connection=1, backend_pid=101)
FORGED = RowChanged(
    at=1.0,
    task="7",
    operation="update",
    before={},
    after={"status": "completed"},
    backend_pid=999,
    transaction="9",
    committed_at=1.0,
    by_grader=False,
)
KILLED = LimitHit(at=1.0, service="worker-A", limit="memory: all its processes together may use 1 GiB")


def test_a_record_that_was_tampered_with_gives_no_points_whatever_the_check_says() -> None:
    histories = History([READY, FORGED])
    found = Judge((PASSES, BUGGY, NEEDS), {"first": [Take.recorded(histories, 1)]}).results()
    assert {result.verdict for result in found.values()} == {Verdict.FAIL}
    assert {result.points for result in found.values()} == {0}
    assert found["2.passes"].observed == (
        "tampered with: the audit has an update of task 7 by server process 999, which no connection of a service has"
    )
    assert found["2.passes"].evidence


def test_a_limit_that_was_hit_is_the_reason_of_a_verdict() -> None:
    found = Judge((PASSES, FAILS, NEEDS), {"first": [Take(History([KILLED]), 1)]}).results()
    words = "worker-A hit a limit: memory: all its processes together may use 1 GiB"
    assert found["2.passes"].verdict is Verdict.PASS
    assert found["2.fails"].observed == f"that ({words})"
    assert found["2.fails"].reason == words
    assert found["2.needs"].reason == f"Could not be judged: nothing was seen; {words}"


def test_a_table_that_refuses_what_the_contract_allows_fails_what_needs_it_in_its_own_words() -> None:
    refused = History([Refused(at=1.0, why="one: a task cannot be inserted: value too long")])
    found = Judge((PASSES, NEEDS), {"first": [Take(refused, 1)]}).results()
    assert {result.verdict for result in found.values()} == {Verdict.FAIL}
    assert found["2.passes"].observed == "one: a task cannot be inserted: value too long"
    assert found["2.passes"].evidence == (Evidence(1.0, "one: a task cannot be inserted: value too long"),)
