"""The files for CI systems: what a pull request may do, and what is pinned. Linters say the rest, in ``make check``."""

from __future__ import annotations

import importlib.util
import io
import json
import re
import tarfile
import uuid
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CI = ROOT / "labs" / "ci"
WORKFLOWS = sorted((CI / "github").glob("*.yml"))
ACTIONS = sorted((ROOT / ".github" / "actions").glob("*/action.yml"))
WRITES = {"comment.yml": {"pull-requests"}}
"""What a workflow's token may write; nothing in the others."""


def read(path: Path) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(path.read_text())
    return found


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflows_token_can_do_what_it_must_and_no_more(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert {name for name, right in job["permissions"].items() if right == "write"} == WRITES.get(
            path.name, set()
        )
        assert job["timeout-minutes"] <= 30
    assert "secrets." not in path.read_text()
    assert "cache" not in path.read_text().replace("no caches", "")


@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_action_is_of_a_whole_commit(path: Path) -> None:
    for used in re.findall(r"uses: (\S+)", path.read_text()):
        assert re.fullmatch(r"\S+@[0-9a-f]{40}|GRADER/\.github/actions/(grade|comment)@REVISION", used)
        if used.startswith("GRADER/"):
            assert (ROOT / used.removeprefix("GRADER/").partition("@")[0] / "action.yml").is_file()


def test_a_pull_request_is_checked_out_by_the_workflow_that_can_only_read() -> None:
    [feedback] = read(CI / "github" / "feedback.yml")["jobs"].values()
    assert feedback["permissions"] == {"contents": "read"}
    assert feedback["steps"][0]["with"]["persist-credentials"] is False
    assert "checkout" not in (CI / "github" / "comment.yml").read_text().replace("checked out", "")


def test_no_text_of_a_pull_request_is_pasted_into_a_command() -> None:
    for path in [*WORKFLOWS, *ACTIONS]:
        jobs = read(path).get("jobs", {"": read(path).get("runs", {})})
        for job in jobs.values():
            for step in job.get("steps", []):
                assert "${{" not in step.get("run", ""), path


def test_the_gitlab_job_fetches_a_pinned_grader_and_reports_junit() -> None:
    job = read(CI / "gitlab" / "gitlab-ci.yml")
    assert job["variables"]["GRADER_REVISION"] == "REVISION"
    assert job["grade"]["cache"] == []
    assert job["grade"]["artifacts"]["reports"]["junit"].endswith("junit.xml")


def test_prairielearns_question_is_complete() -> None:
    info = json.loads((CI / "prairielearn" / "info.json").read_text())
    assert uuid.UUID(info["uuid"]).version == 4
    assert {"title", "topic", "type"} <= set(info)
    options = info["externalGradingOptions"]
    assert set(options) == {"enabled", "image", "entrypoint", "timeout", "enableNetworking"}
    assert options["timeout"] <= 600
    assert options["enableNetworking"] is False


# ---------------------------------------------------------------- unpacking


@pytest.fixture(scope="module")
def unpacking() -> ModuleType:
    spec = importlib.util.spec_from_file_location("unpack", CI / "prairielearn" / "unpack.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def archive(path: Path, *entries: tuple[str, bytes | None], **more: Any) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in entries:
            entry = tarfile.TarInfo(name)
            for key, value in more.items():
                setattr(entry, key, value)
            entry.size = len(content or b"")
            tar.addfile(entry, io.BytesIO(content or b""))
    return path


def test_files_and_folders_are_unpacked_and_programs_stay_programs(unpacking: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "to").mkdir()
    unpacking.unpack(archive(tmp_path / "a.tar.gz", ("starter/a/run", b"x"), mode=0o4755), tmp_path / "to")
    found = tmp_path / "to" / "starter" / "a" / "run"
    assert found.read_bytes() == b"x"
    assert found.stat().st_mode & 0o7777 == 0o755


@pytest.mark.parametrize(
    ("entries", "more"),
    [
        ([("../out", b"x")], {}),
        ([("a/../../out", b"x")], {}),
        ([("/out", b"x")], {}),
        ([("link", None)], {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}),
        ([("link", None)], {"type": tarfile.LNKTYPE, "linkname": "../../etc/passwd"}),
        ([("pipe", None)], {"type": tarfile.FIFOTYPE}),
        ([("device", None)], {"type": tarfile.CHRTYPE}),
        ([(f"f{n}", b"") for n in range(5_001)], {}),
        ([("big", b"\0" * 100_000_001)], {}),
    ],
    ids=["up", "up-later", "absolute", "link", "hard-link", "pipe", "device", "many", "big"],
)
def test_what_could_leave_the_folder_or_fill_the_disk_is_refused(
    entries: list[tuple[str, bytes | None]], more: dict[str, Any], unpacking: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "to").mkdir()
    with pytest.raises(ValueError, match="leave the folder|link or a device|more than"):
        unpacking.unpack(archive(tmp_path / "a.tar.gz", *entries, **more), tmp_path / "to")
    assert not (tmp_path / "out").exists()
    assert not any(path.is_symlink() for path in (tmp_path / "to").rglob("*"))
