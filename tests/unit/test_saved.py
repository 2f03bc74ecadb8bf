"""A run on disk comes back as it was, and anything else is refused with the file's name."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grader.errors import BadCall
from grader.model import PostgresInfo
from grader.saved import FORMAT, Recording, Run, load, save
from tests.unit.histories import Story

A = "worker-A"
RUN = Run(
    lab="lab-03",
    submission="żółw",
    source="../żółw",
    folder="/somewhere/żółw",
    isolation="bubblewrap",
    postgres=PostgresInfo("embedded", "18.6", "as asked"),
    seed=7,
    patience=1.5,
    started_at="2030-01-01T00:00:00+00:00",
    duration_s=12.5,
    checks=("3a.starts", "3b.burst"),
    complete=False,
    notes=("a note",),
    machine="2 cores",
)


def recordings() -> list[Recording]:
    first = Story().start(A).insert("1", 1.0).claim("1", 1.1, A).events
    return [
        Recording("three_tasks", first, 2.5, None, 1.5),
        Recording("sleeper", Story().start(A).events, 1.0, "the disk is full", 1.5),
        Recording("three_tasks", Story().start(A).insert("2", 1.0).events, 3.5, None, 4.0),
    ]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save(tmp_path, RUN, recordings())
    return tmp_path


def test_a_run_comes_back_as_it_was(saved: Path) -> None:
    run, takes = load(saved)
    assert run == RUN
    assert list(takes) == ["three_tasks", "sleeper"]
    first, second = takes["three_tasks"]
    assert (first.seconds, second.seconds) == (2.5, 3.5)
    for take, recording in zip((first, second), recordings()[::2], strict=True):
        assert take.history is not None
        assert sorted(take.history.events, key=repr) == sorted(recording.events, key=repr)
        assert take.history.patience == recording.patience
    [failed] = takes["sleeper"]
    assert (failed.history, failed.error, failed.patience) == (None, "the disk is full", 1.5)


def changed(saved: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    path = saved / "run.json"
    fields = json.loads(path.read_text(encoding="ascii"))
    change(fields)
    path.write_text(json.dumps(fields), encoding="ascii")
    return saved


def test_a_run_of_before_its_source_was_noted_is_of_its_folder(saved: Path) -> None:
    run, _takes = load(changed(saved, lambda fields: fields.pop("source")))
    assert run == replace(RUN, source=RUN.folder)


def test_a_run_of_before_folders_and_each_takes_patience_were_noted_is_read(saved: Path) -> None:
    def forget(fields: dict[str, Any]) -> None:
        del fields["source"], fields["folder"]
        for take in fields["takes"]:
            del take["patience"]

    run, takes = load(changed(saved, forget))
    assert run == replace(RUN, source="", folder="")
    assert [take.history.patience for take in takes["three_tasks"] if take.history] == [1.5, 1.5]


@pytest.mark.parametrize("name", ["run.json", "history"])
def test_a_run_that_cannot_be_saved_leaves_neither_a_half_of_it_nor_the_one_before(
    saved: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    written = {"run.json": "grader.saved.write_atomically", "history": "grader.saved.store.save"}
    monkeypatch.setattr(written[name], full)
    with pytest.raises(OSError, match="No space left"):
        save(saved, RUN, recordings())
    assert list(saved.iterdir()) == []


def test_a_run_is_saved_in_a_folder_that_somebody_took_away(tmp_path: Path) -> None:
    save(tmp_path / "gone", RUN, recordings())
    assert load(tmp_path / "gone")[0] == RUN


def test_a_history_is_read_from_the_runs_own_folder_whatever_the_index_says(saved: Path) -> None:
    def lead_out(fields: dict[str, Any]) -> None:
        for take in fields["takes"]:
            take["history"] = f"../../elsewhere/{take['history']}"

    assert load(changed(saved, lead_out))[0] == RUN


def test_a_folder_without_a_run_or_without_a_history_is_named_with_what_is_missing(
    saved: Path, tmp_path: Path
) -> None:
    (saved / "history" / "sleeper.jsonl").unlink()
    with pytest.raises(BadCall, match=r"no saved run there \(.*sleeper\.jsonl is missing\)"):
        load(saved)
    with pytest.raises(BadCall, match=r"nothing: no saved run there \(.*run\.json is missing\)"):
        load(tmp_path / "nothing")


@pytest.mark.parametrize(
    "change",
    [
        lambda fields: fields.update(format="grader/run/0"),
        lambda fields: fields.update(format="grader/run/2"),
        lambda fields: fields.update(more=1),
        lambda fields: fields.update(postgres=17),
        lambda fields: fields.update(checks=None),
        lambda fields: fields.update(takes=[{}]),
        lambda fields: fields.update(takes=["x"]),
        lambda fields: fields.pop("takes"),
        lambda fields: fields.pop("seed"),
        lambda fields: fields.pop("format"),
    ],
)
def test_what_is_no_run_of_this_format_is_refused_in_one_line(
    saved: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    with pytest.raises(BadCall, match=r"run\.json: not a saved run of this grader") as refused:
        load(changed(saved, change))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "[]", "{", "17", "\x80"])
def test_what_is_no_json_object_is_refused(saved: Path, text: str) -> None:
    (saved / "run.json").write_text(text, encoding="latin-1")
    with pytest.raises(BadCall, match="not a saved run"):
        load(saved)


def test_a_run_that_cannot_be_read_is_refused(saved: Path) -> None:
    (saved / "run.json").unlink()
    (saved / "run.json").mkdir()
    with pytest.raises(BadCall, match="not a saved run"):
        load(saved)


def test_the_format_is_the_documented_one(saved: Path) -> None:
    assert json.loads((saved / "run.json").read_text(encoding="ascii"))["format"] == FORMAT == "grader/run/1"
