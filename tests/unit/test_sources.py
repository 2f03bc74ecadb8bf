"""Where submissions come from, and what an archive of a stranger's cannot do."""

from __future__ import annotations

import errno
import gzip
import io
import os
import stat
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from grader import archives
from grader.errors import BadSubmission, EnvironmentFailed
from grader.sources import absolute, name_of, opened, without_password

Member = tuple[str, bytes | str | None, int]
"""Name; content, target of a link, or None for a folder; kind and mode."""

FILE, EXECUTABLE = stat.S_IFREG | 0o644, stat.S_IFREG | 0o755
LINK, FOLDER, FIFO, DEVICE = stat.S_IFLNK | 0o777, stat.S_IFDIR | 0o755, stat.S_IFIFO | 0o644, stat.S_IFCHR | 0o666

TAR_KINDS = {
    stat.S_IFREG: tarfile.REGTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFDIR: tarfile.DIRTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE,
}


def zipped(path: Path, *members: Member) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, mode in members:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content or b"")
    return path


def tarred(path: Path, *members: Member) -> Path:
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name, content, mode in members:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = TAR_KINDS[stat.S_IFMT(mode)], stat.S_IMODE(mode)
            data = content.encode() if isinstance(content, str) else content or b""
            if entry.issym():
                entry.linkname, data = data.decode(), b""
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


PACKERS = {".zip": zipped, ".tar.gz": tarred, ".tgz": tarred}


@pytest.fixture(params=sorted(PACKERS))
def pack(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Path]:
    def made(*members: Member) -> Path:
        return PACKERS[request.param](tmp_path / f"smith{request.param}", *members)

    return made


@pytest.fixture(autouse=True)
def nothing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Everything is unpacked in a folder of this test's, and is gone at its end."""
    place = Path("/tmp") / f"sources-{os.getpid()}-{os.urandom(3).hex()}"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    yield place
    assert list(place.iterdir()) == []
    place.rmdir()


def refused(path: Path | str, place: Path) -> str:
    with pytest.raises(BadSubmission) as problem, opened(str(path)):
        pass
    assert "\n" not in str(problem.value)
    return str(problem.value)


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    with opened(str(tmp_path)) as folder:
        assert folder == tmp_path


def test_an_archive_becomes_a_folder_of_its_name(pack: Callable[..., Path]) -> None:
    path = pack(("flowforge.toml", b"x", FILE), ("bin", None, FOLDER), ("bin/run", b"y", EXECUTABLE))
    with opened(str(path)) as folder:
        assert folder.name == "smith"
        assert (folder / "flowforge.toml").read_bytes() == b"x"
        assert stat.S_IMODE((folder / "flowforge.toml").stat().st_mode) == 0o644
        assert stat.S_IMODE((folder / "bin/run").stat().st_mode) == 0o755
    assert not folder.exists()


def test_a_folder_in_the_archive_is_the_submission(pack: Callable[..., Path]) -> None:
    path = pack(("lab3/", None, FOLDER), ("lab3/worker_service/main.py", b"x", FILE), ("__MACOSX/x", b"", FILE))
    with opened(str(path)) as folder:
        assert folder.name == "smith"
        assert (folder / "worker_service/main.py").is_file()


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "a/../../evil",
        "/tmp/evil",
        "a/../../../../../../tmp/evil",
        "..\\evil",
        "C:evil",
        "x" * 300,
        "x/" * 3000 + "evil",
    ],
    ids=lambda name: name[:30],
)
def test_a_name_that_leads_elsewhere_or_has_no_end_is_refused(
    name: str, pack: Callable[..., Path], nothing_stays: Path
) -> None:
    assert "cannot be unpacked" in refused(pack((name, b"x", FILE)), nothing_stays)
    assert not (nothing_stays / "evil").exists()
    assert not Path("/tmp/evil").exists()


@pytest.mark.parametrize(
    ("content", "mode"), [("/etc/passwd", LINK), ("../..", LINK), ("", FIFO), ("", DEVICE)], ids=str
)
def test_links_and_devices_are_refused(
    content: str, mode: int, pack: Callable[..., Path], nothing_stays: Path
) -> None:
    assert "is a link or a device" in refused(pack(("x", content, mode)), nothing_stays)


def test_a_file_behind_a_link_of_the_archives_own_is_not_written(
    pack: Callable[..., Path], tmp_path: Path, nothing_stays: Path
) -> None:
    target = tmp_path / "target"
    target.mkdir()
    assert "is a link" in refused(pack(("a", str(target), LINK), ("a/evil", b"x", FILE)), nothing_stays)
    assert list(target.iterdir()) == []


def test_a_hard_link_is_refused(tmp_path: Path, nothing_stays: Path) -> None:
    with tarfile.open(tmp_path / "x.tgz", "w:gz") as archive:
        entry = tarfile.TarInfo("x")
        entry.type, entry.linkname = tarfile.LNKTYPE, "/etc/passwd"
        archive.addfile(entry)
    assert "is a link" in refused(tmp_path / "x.tgz", nothing_stays)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_same_file_twice_is_refused(pack: Callable[..., Path], nothing_stays: Path) -> None:
    assert "twice" in refused(pack(("x", b"1", FILE), ("x", b"2", FILE)), nothing_stays)


def test_a_file_where_a_folder_is_needed_is_refused(pack: Callable[..., Path], nothing_stays: Path) -> None:
    assert "twice" in refused(pack(("x", b"1", FILE), ("x/y", b"2", FILE)), nothing_stays)


def test_what_unpacks_to_too_much_is_refused_whatever_its_headers_say(
    pack: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, nothing_stays: Path
) -> None:
    monkeypatch.setattr(archives, "MOST_BYTES", 3 * 1024 * 1024)
    path = pack(("zeros", bytes(8 * 1024 * 1024), FILE))
    assert path.stat().st_size < 20_000
    assert "more than 3 MiB" in refused(path, nothing_stays)


def test_a_zip_that_lies_about_a_size_is_refused(tmp_path: Path, nothing_stays: Path) -> None:
    path = zipped(tmp_path / "x.zip", ("zeros", bytes(1_000_000), FILE))
    content = path.read_bytes()
    size = (1_000_000).to_bytes(4, "little")
    assert content.count(size) == 2
    path.write_bytes(content.replace(size, (10).to_bytes(4, "little")))
    assert "not an archive that can be read" in refused(path, nothing_stays)


def test_too_many_entries_are_refused(
    pack: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, nothing_stays: Path
) -> None:
    monkeypatch.setattr(archives, "MOST_ENTRIES", 20)
    assert "more than 20 entries" in refused(pack(*((f"f{n}", b"", FILE) for n in range(30))), nothing_stays)


def test_a_list_of_entries_without_end_is_not_read(tmp_path: Path, nothing_stays: Path) -> None:
    path = zipped(tmp_path / "x.zip", ("x", b"1", FILE))
    content = path.read_bytes()
    begin = content.index(b"PK\x01\x02")
    end = content.index(b"PK\x05\x06")
    many = 200_000
    entries = content[begin:end] * many
    length = len(entries).to_bytes(4, "little")
    counts = many.to_bytes(4, "little")[:2] * 2
    tail = content[end : end + 8] + counts + length + content[end + 16 :]
    path.write_bytes(content[:begin] + entries + tail)
    assert "its list of entries is too long" in refused(path, nothing_stays)


def test_a_header_as_large_as_the_disk_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nothing_stays: Path
) -> None:
    monkeypatch.setattr(archives, "MOST_BYTES", 1024 * 1024)
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 8 * 1024**3
    path = tmp_path / "x.tar.gz"
    path.write_bytes(gzip.compress(header.tobuf() + bytes(4 * 1024 * 1024)))
    refused(path, nothing_stays)


def test_a_sparse_file_is_refused(tmp_path: Path, nothing_stays: Path) -> None:
    header = tarfile.TarInfo("sparse")
    header.type = tarfile.GNUTYPE_SPARSE
    path = tmp_path / "x.tar.gz"
    path.write_bytes(gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(1024)))
    assert "link or a device" in refused(path, nothing_stays)


def test_an_encrypted_zip_is_refused(tmp_path: Path, nothing_stays: Path) -> None:
    path = zipped(tmp_path / "x.zip", ("x", b"1", FILE))
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    assert "encrypted" in refused(path, nothing_stays)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04" + bytes(50), b"\x1f\x8b\x08" + bytes(40)])
def test_what_is_no_archive_is_one_line(content: bytes, pack: Callable[..., Path], nothing_stays: Path) -> None:
    path = pack(("x", b"", FILE))
    path.write_bytes(content)
    assert str(path) in refused(path, nothing_stays)


def test_a_truncated_archive_is_one_line(pack: Callable[..., Path], nothing_stays: Path) -> None:
    path = pack(("x", os.urandom(100_000), FILE))
    path.write_bytes(path.read_bytes()[:50_000])
    refused(path, nothing_stays)


def test_a_zip_whose_entry_lies_before_or_far_behind_it_is_one_line(tmp_path: Path, nothing_stays: Path) -> None:
    path = zipped(tmp_path / "x.zip", ("x", b"1", FILE))
    content = path.read_bytes()
    begin, end = content.index(b"PK\x01\x02"), content.index(b"PK\x05\x06")
    before = content[: end + 16] + (begin + 5).to_bytes(4, "little") + content[end + 20 :]
    extra = b"\x01\x00\x08\x00" + b"\xff" * 8  # of a zip64: where the entry is
    entry = (
        content[begin : begin + 30] + b"\x0c\x00" + content[begin + 32 : begin + 42] + b"\xff" * 4 + b"x" + extra
    )
    length = len(entry).to_bytes(4, "little")
    behind = content[:begin] + entry + content[end : end + 12] + length + content[end + 16 :]
    for mangled in (before, behind):
        path.write_bytes(mangled)
        assert "not an archive that can be read" in refused(path, nothing_stays)


def test_a_missing_archive_and_a_pipe_are_one_line(tmp_path: Path, nothing_stays: Path) -> None:
    assert "cannot be read" in refused(tmp_path / "x.zip", nothing_stays)
    os.mkfifo(tmp_path / "y.zip")
    assert "not a regular file" in refused(tmp_path / "y.zip", nothing_stays)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("smith.zip", "smith"),
        ("a/b/smith.tar.gz", "smith"),
        ("https://example.org/class/smith.git", "smith"),
        ("https://example.org/class/smith#final", "smith"),
        ("../x/smith.git/", "smith"),
        ("we ird;.zip", "we_ird_"),
        (".zip", "submission"),
    ],
)
def test_a_submission_is_called_by_where_it_comes_from(source: str, name: str) -> None:
    assert name_of(source) == name


@pytest.fixture
def no_space(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is unpacked finds the disk full once its first bytes are to be written."""

    class Full(io.FileIO):
        def write(self, _data: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    usual = os.fdopen

    def opened_for(descriptor: int, mode: str) -> IO[bytes]:
        return io.BufferedWriter(Full(descriptor, "w")) if mode == "wb" else usual(descriptor, mode)

    monkeypatch.setattr("grader.archives.os.fdopen", opened_for)


def refused_for_us(source: Path | str) -> str:
    with pytest.raises(EnvironmentFailed) as problem, opened(str(source)):
        pass
    assert "\n" not in str(problem.value)
    return str(problem.value)


@pytest.mark.usefixtures("no_space")
@pytest.mark.parametrize("size", [1, 1_000_000])
def test_a_full_disk_is_not_held_against_an_archive(pack: Callable[..., Path], size: int) -> None:
    path = pack(("x", os.urandom(size), FILE))
    told = refused_for_us(path)
    assert told == f"{path}: cannot be unpacked here: No space left on device; free some space"


# ---------------------------------------------------------------- repositories


@pytest.mark.usefixtures("no_space")
def test_a_full_disk_is_not_held_against_a_repository(repository: Path) -> None:
    assert "jones.git: cannot be unpacked here: No space left on device" in refused_for_us(repository)


def test_a_disk_that_is_full_while_git_fetches_is_not_held_against_a_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = tmp_path / "git"
    git.write_text(
        "#!/bin/sh\necho 'fatal: write error: No space left on device' >&2\n"
        "echo 'fatal: fetch-pack: invalid index-pack output' >&2\nexit 128\n"
    )
    git.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert "x.git: cannot be unpacked here: No space left on device" in refused_for_us("https://host/x.git")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "jones.git"
    git(tmp_path, "init", "-q", "-b", "main", str(path))
    (path / "flowforge.toml").write_text("first")
    git(path, "add", "-A")
    git(path, "commit", "-qm", "first")
    return path


def git(folder: Path, *words: str, given: str = "") -> str:
    environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "protocol.file.allow=always")
    command = ["git", *who, *words]
    done = subprocess.run(
        command, input=given, cwd=folder, env=environment, check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_repository_is_its_newest_files_without_history(repository: Path, form: str) -> None:
    with opened(form.format(repository)) as folder:
        assert folder.name == "jones"
        assert [path.name for path in folder.iterdir()] == ["flowforge.toml"]


def test_a_branch_or_tag_can_be_named(repository: Path) -> None:
    git(repository, "tag", "final")
    (repository / "flowforge.toml").write_text("second")
    git(repository, "commit", "-qam", "second")
    with opened(f"{repository}#final") as folder:
        assert (folder / "flowforge.toml").read_text() == "first"


def test_a_repository_that_is_not_there_is_refused_with_what_git_says_is_wrong(
    tmp_path: Path, nothing_stays: Path
) -> None:
    path = tmp_path / "none.git"
    assert f"cannot be cloned: '{path}' does not appear to be a git repository" in refused(
        str(path), nothing_stays
    )


def test_a_branch_that_is_not_there_is_refused_with_its_name(repository: Path, nothing_stays: Path) -> None:
    assert "cannot be cloned: Remote branch final not found" in refused(f"{repository}#final", nothing_stays)


def test_links_in_a_repository_become_files(repository: Path) -> None:
    (repository / "evil").symlink_to("/etc/passwd")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "link")
    with opened(str(repository)) as folder:
        assert (folder / "evil").read_text() == "/etc/passwd"
        assert not (folder / "evil").is_symlink()


def test_hooks_and_submodules_of_a_repository_do_nothing(repository: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    git(tmp_path, "init", "-q", str(other))
    (other / "x").write_text("x")
    git(other, "add", "-A")
    git(other, "commit", "-qm", "x")
    git(repository, "submodule", "add", "-q", str(other), "sub")
    git(repository, "commit", "-qm", "sub")
    hook = repository / ".git/hooks/post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    with opened(str(repository)) as folder:
        assert list((folder / "sub").iterdir()) == []
    assert not (tmp_path / "ran").exists()


def test_programs_in_a_repository_can_be_run_and_nothing_else_can(repository: Path) -> None:
    (repository / "run.sh").write_text("#!/bin/sh\n")
    (repository / "run.sh").chmod(0o775)
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "program")
    with opened(str(repository)) as folder:
        modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert modes == {"run.sh": 0o755, "flowforge.toml": 0o644}


def test_a_repository_whose_few_objects_stand_for_endless_files_is_refused(
    repository: Path, nothing_stays: Path
) -> None:
    tree = git(repository, "rev-parse", "HEAD^{tree}").strip()
    for _ in range(9):  # 10^9 files of 5 bytes
        entries = "".join(f"040000 tree {tree}\t{name}\n" for name in range(10))
        tree = git(repository, "mktree", given=entries).strip()
    commit = git(repository, "commit-tree", tree, "-m", "bomb").strip()
    git(repository, "update-ref", "refs/heads/main", commit)
    assert "more than 20000 entries" in refused(str(repository), nothing_stays)


def test_a_repository_that_is_too_large_is_refused_before_anything_is_written(
    repository: Path, nothing_stays: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grader.archives.MOST_BYTES", 1 << 20)
    (repository / "zeros").write_bytes(bytes(2 << 20))  # a pack of a few KiB
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "zeros")
    assert "more than 1 MiB" in refused(str(repository), nothing_stays)


def test_a_repository_whose_pack_is_too_large_is_not_fetched(
    repository: Path, nothing_stays: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grader.sources.MOST_BYTES", 1 << 20)
    (repository / "noise").write_bytes(os.urandom(4 << 20))
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "noise")
    assert "cannot be cloned" in refused(str(repository), nothing_stays)


def test_an_empty_repository_is_one_line(tmp_path: Path, nothing_stays: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main", str(tmp_path / "empty.git"))
    assert "its objects cannot be read" in refused(str(tmp_path / "empty.git"), nothing_stays)


def test_a_repository_without_one_of_its_objects_is_one_line(repository: Path, nothing_stays: Path) -> None:
    (repository / "lost").write_text("lost")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "lost")
    name = git(repository, "rev-parse", "HEAD:lost").strip()
    (repository / ".git" / "objects" / name[:2] / name[2:]).unlink()
    assert "jones.git: " in refused(str(repository), nothing_stays)


def test_a_name_without_end_is_not_read(repository: Path, nothing_stays: Path) -> None:
    blob = git(repository, "rev-parse", "HEAD:flowforge.toml").strip()
    tree = git(repository, "mktree", given=f"100644 blob {blob}\t{'x' * 500_000}\n").strip()
    git(repository, "update-ref", "refs/heads/main", git(repository, "commit-tree", tree, "-m", "long").strip())
    assert "longer than 65536 bytes" in refused(str(repository), nothing_stays)


@pytest.mark.parametrize(
    "source", ["ext::sh -c id://x.git", "ext::sh% -c% id.git", "--upload-pack=touch x.git", "ftp://x/y"]
)
def test_an_address_that_is_none_is_refused(source: str, nothing_stays: Path) -> None:
    refused(source, nothing_stays)


# ---------------------------------------------------------------- where they can be found again


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("path/to/ada", "{here}/path/to/ada"),
        ("/path/to/ada", "/path/to/ada"),
        ("smith.tar.gz", "{here}/smith.tar.gz"),
        ("odd#name", "{here}/odd#name"),
        ("jones.git#final", "{here}/jones.git#final"),
        ("jones.git/", "{here}/jones.git"),
        ("https://host/jones.git#final", "https://host/jones.git#final"),
    ],
)
def test_a_source_can_be_found_from_any_folder(
    source: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute(source) == found.format(here=tmp_path)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("https://ada:token@host/x.git#a@b", "https://host/x.git#a@b"),
        ("HTTP://token@host/x.git", "HTTP://host/x.git"),
        ("https://ada:p@ss@host/x.git", "https://host/x.git"),
        ("https://host/a@b.git", "https://host/a@b.git"),
        ("ssh://git@host/x.git", "ssh://git@host/x.git"),
        ("path/to/a@b", "path/to/a@b"),
    ],
)
def test_a_password_in_an_address_is_written_nowhere(source: str, told: str) -> None:
    assert without_password(source) == told


def test_a_source_that_cannot_be_looked_at_is_taken_for_a_folder(tmp_path: Path) -> None:
    source = str(tmp_path / ("x" * 300))
    assert name_of(source) == "x" * 300
    with opened(source) as folder:
        assert str(folder) == source
