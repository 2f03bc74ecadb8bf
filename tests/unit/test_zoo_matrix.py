"""The zoo's detection matrix, from literal results: what is a difference, what is counted, what is shown."""

from __future__ import annotations

import json
import re
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from grader.checkpoints import all_checks
from grader.model import Verdict
from tests.zoo import bounds
from tests.zoo.changes import partings, tallies, words_of
from tests.zoo.flaky import Runs, all_tallies, tell
from tests.zoo.grading import STARTER_FAILS, Call, folder_hash, key_of, named, phases
from tests.zoo.markdown import render_markdown
from tests.zoo.matrix import (
    Column,
    Expected,
    Graded,
    Kind,
    Matrix,
    Outcome,
    Row,
    Seen,
    Subject,
    columns_of,
    compare,
    to_json,
    told,
)
from tests.zoo.show import render_html, summarise

# 3b.c builds on 3b.b, which builds on 3a.a.
COLUMNS = (
    Column("2.first", "A sentence."),
    Column("3a.a", "A sentence."),
    Column("3b.b", "A sentence.", ("3a.a",)),
    Column("3b.c", "A sentence.", ("3b.b",)),
)
LETTERS = {
    "p": Verdict.PASS,
    "f": Verdict.FAIL,
    "s": Verdict.SKIPPED,
    "i": Verdict.INCONCLUSIVE,
    "e": Verdict.ERROR,
}


def graded(verdicts: str, **more: object) -> Graded:
    """A grade from a letter a column."""
    seen = {
        column.id: Seen(LETTERS[letter], "" if letter == "p" else f"words of {column.id}")
        for column, letter in zip(COLUMNS, verdicts, strict=True)
    }
    return Graded(seen, **more)  # type: ignore[arg-type]


def wrong(*must_fail: str, may_fail: tuple[str, ...] = (), name: str = "a-fault") -> Subject:
    return Subject(name, Kind.WRONG, "Z01", "It is wrong.", frozenset(must_fail), frozenset(may_fail))


def right(*forgoes: str) -> Subject:
    return Subject("another-way", Kind.RIGHT, "", "It is right.", frozenset(forgoes))


def differences(subject: Subject, verdicts: str) -> dict[str, Outcome]:
    return {cell.check: cell.outcome for cell in compare(subject, graded(verdicts), COLUMNS).differences}


def matrix(*rows: Row, complete: bool = True) -> Matrix:
    return Matrix(COLUMNS, rows, complete, "2026-01-01 12:00 UTC", 30.0, 2)


def test_a_fault_that_fails_what_it_must_and_nothing_else_is_as_expected() -> None:
    row = compare(wrong("3b.b"), graded("ppfs"), COLUMNS)
    assert row.is_as_expected
    assert row.outcomes == {Outcome.AS_EXPECTED}
    assert [cell.expected for cell in row.cells] == [Expected.PASS, Expected.PASS, Expected.FAIL, Expected.PASS]
    assert [cell.check for cell in row.cells if cell.proves] == ["3b.b"]
    assert told(row) == "as expected"


def test_a_check_that_must_fail_and_passes_is_missed() -> None:
    assert differences(wrong("3b.b", "3b.c"), "ppfp") == {"3b.c": Outcome.MISSED}


def test_a_check_that_must_fail_and_is_skipped_is_missed_too() -> None:
    assert differences(wrong("3b.b", "3b.c"), "ppfs") == {"3b.c": Outcome.MISSED}


def test_a_check_that_fails_and_is_not_named_is_blamed_wrongly() -> None:
    assert differences(wrong("3b.b"), "fpfs") == {"2.first": Outcome.BLAMED}


@pytest.mark.parametrize("verdicts", ["ppfp", "ppff", "ppfs"])
def test_a_check_that_may_fail_may_also_pass_or_be_skipped(verdicts: str) -> None:
    assert differences(wrong("3b.b", may_fail=("3b.c",)), verdicts) == {}


def test_a_check_that_may_fail_proves_nothing() -> None:
    row = compare(wrong("3b.b", may_fail=("3b.c",)), graded("ppff"), COLUMNS)
    assert [cell.check for cell in row.cells if cell.proves] == ["3b.b"]


def test_inconclusive_is_a_difference_even_where_a_check_may_fail() -> None:
    assert differences(wrong("3b.b", may_fail=("3b.c",)), "ppfi") == {"3b.c": Outcome.INCONCLUSIVE}
    assert differences(wrong("3b.b"), "ppis") == {"3b.b": Outcome.INCONCLUSIVE, "3b.c": Outcome.INCONCLUSIVE}


def test_an_error_is_a_difference_and_what_is_skipped_for_it_is_one() -> None:
    assert differences(wrong("2.first"), "fpes") == {"3b.b": Outcome.ERROR, "3b.c": Outcome.ERROR}


def test_a_skip_follows_from_a_failure_by_way_of_other_skips() -> None:
    assert differences(wrong("3a.a"), "pfss") == {}


def test_a_skip_that_follows_from_nothing_is_an_error() -> None:
    assert differences(wrong("2.first"), "fpps") == {"3b.c": Outcome.ERROR}


def test_a_check_without_a_verdict_is_an_error() -> None:
    partial = Graded({"2.first": Seen(Verdict.PASS)})
    row = compare(right(), partial, COLUMNS[:2])
    assert [(cell.check, cell.outcome, cell.seen) for cell in row.differences] == [("3a.a", Outcome.ERROR, None)]


def test_a_grade_that_came_to_no_report_is_an_error_of_the_whole_row() -> None:
    row = compare(wrong("3b.b"), Graded({}, problem="no report, exit status 3: no PostgreSQL"), COLUMNS)
    assert row.outcomes == {Outcome.ERROR}
    assert not row.is_as_expected
    assert told(row) == "error: no report, exit status 3: no PostgreSQL"


def test_a_right_submission_fails_what_it_forgoes_and_only_that() -> None:
    assert differences(right("3b.c"), "pppf") == {}
    assert differences(right("3b.c"), "pppp") == {"3b.c": Outcome.MISSED}
    assert differences(right(), "pppf") == {"3b.c": Outcome.BLAMED}


def test_what_a_right_submission_forgoes_must_not_cost_it_other_points() -> None:
    assert differences(right("3b.b"), "ppfs") == {"3b.c": Outcome.BLAMED}


def test_rows_are_counted_under_each_kind_of_difference_that_they_have() -> None:
    found = matrix(
        compare(wrong("3b.b"), graded("ppfs"), COLUMNS),
        compare(wrong("3b.b"), graded("fppp"), COLUMNS),
        compare(right(), graded("pppi"), COLUMNS),
    )
    counts = {outcome.value: found.count(outcome) for outcome in Outcome}
    assert counts == {"as expected": 1, "missed": 1, "blamed wrongly": 1, "inconclusive": 1, "error": 0}
    assert not found.is_as_expected
    assert told(found.rows[1]) == "missed 3b.b; blamed wrongly 2.first"


def test_a_check_is_proved_by_the_wrong_submissions_that_must_fail_it_and_do() -> None:
    found = matrix(
        *(compare(wrong("3b.b", name=name), graded("ppfs"), COLUMNS) for name in ("one", "two", "three")),
        compare(wrong("3b.b", "3b.c", name="missed"), graded("pppf"), COLUMNS),
        compare(right("2.first"), graded("fppp"), COLUMNS),
    )
    proofs = {proof.check: proof for proof in found.proofs()}
    assert proofs["3b.b"].named == ("one", "two", "three", "missed")
    assert proofs["3b.b"].proved == ("one", "two", "three")
    assert proofs["2.first"].proved == ()
    assert [proof.check for proof in found.proved_by_few()] == ["2.first", "3a.a", "3b.c"]


def test_the_seconds_of_all_grades_are_summed_by_phase() -> None:
    one = compare(right(), graded("pppp", seconds=10.0, phases={"set-up": 2.0, "scenarios": 8.0}), COLUMNS)
    kept = compare(wrong("3b.b"), graded("ppfs", seconds=5.0, phases={"scenarios": 5.0}, reused=True), COLUMNS)
    found = matrix(one, kept)
    assert found.graded_seconds == 15.0
    assert found.phase("scenarios") == 13.0
    assert found.phase("repeats") == 0.0
    assert found.reused == 1


def test_the_data_hold_expected_against_seen() -> None:
    content = json.loads(json.dumps(to_json(matrix(compare(wrong("3b.b"), graded("fpfs"), COLUMNS)))))
    assert content["schema"] == "zoo/matrix/1"
    assert content["as_expected"] is False
    assert content["submissions"]["blamed wrongly"] == 1
    assert content["checks"][2] == {"id": "3b.b", "must_fail": ["a-fault"], "proved_by": ["a-fault"]}
    [row] = content["rows"]
    assert row["outcomes"] == ["blamed wrongly"]
    assert row["cells"][0] == {
        "check": "2.first",
        "expected": "pass",
        "seen": "fail",
        "outcome": "blamed wrongly",
        "words": "words of 2.first",
    }


def page(found: Matrix) -> str:
    return render_html(found)


def test_the_page_fetches_nothing_and_runs_nothing() -> None:
    text = page(matrix(compare(wrong("3b.b"), graded("ppfs"), COLUMNS)))
    assert "<script" not in text
    assert not re.search(r"""(src|href)=["'](https?:)?//""", text)
    assert "default-src 'none'" in text
    assert "All 1 submissions as expected" in text


def test_the_page_says_every_difference_in_words_and_marks_its_row() -> None:
    text = page(
        matrix(
            compare(wrong("3b.b", name="seen-well"), graded("ppfs"), COLUMNS),
            compare(wrong("3b.b", name="missed-one"), graded("pppp"), COLUMNS),
            compare(wrong("3b.b", name="no-grade"), Graded({}, problem="<b>no report</b>"), COLUMNS),
        )
    )
    assert "2 of 3 submissions not as expected" in text
    assert text.count('<tr class="same">') == 1
    assert text.count('<tr class="different">') == 2
    assert "3b.b: expected fail, seen pass, missed" in text
    assert "&lt;b&gt;no report&lt;/b&gt;" in text
    assert "<b>no report" not in text


def test_a_part_of_the_zoo_says_nothing_of_what_is_proved() -> None:
    row = compare(wrong("3b.b"), graded("ppfs"), COLUMNS)
    assert "wrong submissions prove" in page(matrix(row))
    assert "wrong submissions prove" not in page(matrix(row, complete=False))


def test_the_documentation_counts_check_by_check_and_names_what_each_submission_failed() -> None:
    missed = compare(wrong("3b.b", may_fail=("2.first",), name="other-fault"), graded("fppp"), COLUMNS)
    said = render_markdown(
        matrix(
            compare(wrong("3b.b"), graded("ppfs"), COLUMNS),
            missed,
            compare(right("3b.c"), graded("pppf"), COLUMNS),
            compare(Subject("solution", Kind.SOLUTION, "", "The solution.", frozenset()), graded("pppp"), COLUMNS),
            compare(
                Subject("starter", Kind.STARTER, "", "The starter.", frozenset({"3a.a"})), graded("pfss"), COLUMNS
            ),
        )
    )
    assert "1 of 5 submissions not as expected" in said
    assert "- `other-fault`: missed `3b.b`: expected fail, seen pass" in said
    assert "(trust.md#measured)" in said
    assert "| `2.first` | 0 of 0 | 1 of 1 | 1 of 1 | 0 | 2 of 2 |" in said
    assert "| `3b.b` | 1 of 2 |  | 0 of 0 | 0 | 2 of 2 |" in said
    assert "| `3b.c` | 0 of 0 |  | 1 of 2 | 1 | 1 of 1 |" in said
    assert "- Z01 **a-fault**: It is wrong. Failed `3b.b`. Not judged: 1." in said
    assert "- Z01 **other-fault**: It is wrong. Failed `2.first` (it may)." in said
    assert "- **another-way**: It is right. Failed `3b.c`." in said
    assert "- **solution**: The solution. Passed all." in said
    assert "- **starter**: The starter. Failed `3a.a`. Not judged: 2." in said


def test_the_documentation_shows_text_as_it_is_in_lines_of_its_width() -> None:
    why = "ORDER BY *, <b> and _x_ in `a < b`; " + "word " * 40
    subject = Subject("right", Kind.RIGHT, "", why, frozenset({"3b.c"}), reasons={"3b.c": "It is #1."})
    no_grade = compare(wrong("3b.b"), Graded({}, "it ended <early>"), COLUMNS)
    said = render_markdown(matrix(compare(subject, graded("pppf"), COLUMNS), no_grade))
    assert r"ORDER BY \*, \<b\> and \_x\_ in `a < b`; word" in said
    assert r"`3b.c`: It is \#1." in said
    assert "no grade: it ended \\<early\\>" in said
    assert "It is wrong. No grade." in said
    assert max(map(len, said.splitlines())) <= 110


def test_the_summary_names_each_difference_the_counts_and_what_few_prove() -> None:
    console = Console(file=StringIO(), width=300)
    summarise(matrix(compare(wrong("3b.b"), graded("fpfs"), COLUMNS)), console)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert "blamed wrongly 2.first: expected pass, seen fail; words of 2.first" in said
    assert "0 as expected, 0 missed, 1 blamed wrongly, 0 inconclusive, 0 error" in said
    assert "Proved by fewer than 3: 2.first (0), 3a.a (0), 3b.b (1), 3b.c (0)" in said


def test_the_starter_is_expected_to_fail_checks_that_exist() -> None:
    assert {column.id for column in columns_of(all_checks())} >= STARTER_FAILS


# ---------------------------------------------------------------- keys and phases


def test_a_key_changes_with_the_submission_the_grader_and_the_call(tmp_path: Path) -> None:
    file = tmp_path / "made" / "worker.py"
    file.parent.mkdir()
    file.write_text("one")
    made = file.parent
    before = key_of(made, "grader", Call())
    assert key_of(made, "grader", Call()) == before
    assert key_of(made, "other", Call()) != before
    assert key_of(made, "grader", Call(checks=("2.first",))) != before
    file.write_text("two")
    assert key_of(made, "grader", Call()) != before


def test_a_folder_s_hash_sees_names_and_execute_bits_and_no_caches(tmp_path: Path) -> None:
    (tmp_path / "start.sh").write_text("exec worker")
    before = folder_hash(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "worker.pyc").write_bytes(b"")
    assert folder_hash(tmp_path) == before
    (tmp_path / "start.sh").chmod(0o755)
    executable = folder_hash(tmp_path)
    assert executable != before
    (tmp_path / "start.sh").rename(tmp_path / "begin.sh")
    assert folder_hash(tmp_path) not in (before, executable)


def test_phases_are_read_off_the_histories(tmp_path: Path) -> None:
    def history(name: str, *times: float) -> str:
        lines = [json.dumps({"kind": "moment", "at": at, "name": '"at": 99', "detail": {}}) for at in times]
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        return name

    takes = [
        {"scenario": "one", "history": history("one.jsonl", 2.0, 6.0)},
        {"scenario": "two", "history": history("two.jsonl", 2.5, 9.0)},
        {"scenario": "one", "history": history("one.2.jsonl", 9.5, 13.0)},
    ]
    found = phases({"takes": takes, "duration_s": 14.0}, tmp_path, 15.5)
    assert found == {"set-up": 2.0, "scenarios": 7.0, "repeats": 4.0, "taking down": 1.0, "the rest": 1.5}


def test_submissions_are_named_by_name_or_by_id() -> None:
    zoo = [wrong("3b.b"), right()]
    assert named([], zoo) == tuple(zoo)
    assert named(["Z01"], zoo) == (zoo[0],)
    assert named(["another-way"], zoo) == (zoo[1],)


# ---------------------------------------------------------------- several runs


def test_what_did_not_happen_in_n_runs_happens_in_less_than_three_nths() -> None:
    assert bounds.rule_of_three(60) == 0.05
    assert bounds.rule_of_three(2) == 1.0
    assert bounds.told(0, 60) == "0 of 60: below 0.05 at 95% (rule of three: 3/60)"


@pytest.mark.parametrize(
    ("seen", "runs", "bound"),
    # Clopper and Pearson's one-sided bound at 95 %, from the quantiles of the beta distribution.
    [(0, 60, 0.04870), (1, 10, 0.39416), (2, 20, 0.28262), (5, 100, 0.10225), (10, 10, 1.0)],
)
def test_what_happened_is_bounded_exactly(seen: int, runs: int, bound: float) -> None:
    assert bounds.exact_bound(seen, runs) == pytest.approx(bound, abs=5e-5)


def test_the_exact_bound_bears_many_runs() -> None:
    assert 0.0100 < bounds.exact_bound(1000, 100_000) < 0.0107


def test_the_rule_of_three_is_never_below_the_exact_bound() -> None:
    assert all(bounds.rule_of_three(n) >= bounds.exact_bound(0, n) for n in range(1, 200))


def test_a_count_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="3 of 2 runs"):
        bounds.exact_bound(3, 2)


def test_a_verdict_that_changes_names_its_runs() -> None:
    found = {t.check: t for t in tallies(wrong("3b.b"), [graded(v) for v in ("ppfs", "fpfs", "ppfs")], COLUMNS)}
    assert found["2.first"].usual is Verdict.PASS
    assert found["2.first"].changed == (2,)
    assert found["2.first"].counts == (("pass", (1, 3)), ("fail", (2,)))
    assert not found["2.first"].is_allowed
    assert found["3b.b"].changed == ()


def test_a_verdict_may_change_where_the_entry_says_that_it_may_fail() -> None:
    subject = wrong("2.first", may_fail=("3b.b",))
    found = {t.check: t for t in tallies(subject, [graded(v) for v in ("fpfs", "fppp")], COLUMNS)}
    assert found["3b.b"].changed == (2,)
    assert found["3b.b"].is_allowed
    assert found["3b.c"].is_allowed, "skipped once, for a check that may fail"


def test_a_grade_without_a_report_changes_every_verdict() -> None:
    runs = [graded("ppfs"), Graded({}, problem="killed")]
    found = tallies(wrong("3b.b"), runs, COLUMNS)
    assert all(t.changed == (2,) and not t.is_allowed for t in found)


def event(kind: str, at: float, service: str | None = None, **more: object) -> dict[str, object]:
    return {"kind": kind, "at": at, **({"service": service} if service else {}), **more}


def test_histories_part_at_the_first_kind_that_differs_source_by_source() -> None:
    left = [
        event("service-started", 10.0, "worker-A"),
        event("service-started", 10.1, "worker-B"),
        event("step-began", 10.2, "worker-A", sql="SELECT 1"),
        event("service-exited", 10.9, "worker-B", status=0),
    ]
    right = [
        # B before A: the order of two services says nothing.
        event("service-started", 20.0, "worker-B"),
        event("service-started", 20.1, "worker-A"),
        event("stalled", 20.2, seconds=1.0),
        event("service-exited", 20.4, "worker-A", status=1),
    ]
    found = partings(left, right)
    assert [(p.source, p.number) for p in found] == [("worker-A", 2), ("worker-B", 2)]
    assert words_of(found[0].left) == "step-began 10.200 s SELECT 1"
    assert words_of(found[0].right) == "service-exited 20.400 s 1"
    assert words_of(found[1].right) == "nothing more"


def test_histories_of_the_same_kinds_do_not_part() -> None:
    events = [event("service-started", 1.0, "worker-A"), event("row-changed", 2.0, operation="update")]
    assert partings(events, [{**e, "at": 5.0} for e in events]) == ()


def test_a_changed_verdict_is_shown_with_both_folders_and_where_the_histories_part(tmp_path: Path) -> None:
    [check] = [check for check in all_checks() if check.id == "3b.two-workers"]
    [scenario] = check.on
    runs = Runs(tmp_path)
    for number, (verdict, kind) in enumerate(
        [(Verdict.PASS, "step-ended"), (Verdict.FAIL, "connection-closed"), (Verdict.PASS, "step-ended")], start=1
    ):
        history = runs.folder("a-fault", number) / "history" / f"{scenario.name}.jsonl"
        history.parent.mkdir(parents=True)
        events = [event("service-started", 1.0, "worker-A"), event(kind, 2.0, "worker-A")]
        history.write_text("".join(json.dumps(one) + "\n" for one in events))
        runs.add("a-fault", Graded({check.id: Seen(verdict)}))
    assert not (runs.folder("a-fault", 3) / "history").exists(), "it found what the first run did"

    subject = wrong("3b.skip-locked")
    found = all_tallies(runs, [subject], [check])
    console = Console(file=StringIO(), width=300)
    tell(runs, found, [check], console)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert "a-fault under 3b.two-workers: pass 2, fail 1; run 2" in said
    assert "1 of 3: below 0.86 at 95% (exact binomial bound)" in said
    assert re.search(r"run 1: pass +run 2: fail", said)
    assert re.search(r"run-01 +\S+run-02", said)
    assert re.search(r"worker-A, event 2 +step-ended 2.000 s +connection-closed 2.000 s", said)
    assert "overall, grades with a changed verdict: 1 of 3" in said
