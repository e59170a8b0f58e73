"""The drop folder, with importers of the test's own: what happens to a file while it is imported."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cartctl.errors import (
    CartctlError,
    DatabaseBusyError,
    DatabaseError,
    InputFileError,
    UnreadableFileError,
    UnwritableFileError,
)
from cartctl.jobs import inbox
from cartctl.jobs.importing import ImportResult
from cartctl.jobs.inbox import Handled

CSV = "cart_id,updated_at,email\nc-1,2026-03-02T10:00:00Z,\n"


def drop(folder: Path, name: str = "carts.csv", text: str = CSV) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    os.utime(path, (time.time() - 120,) * 2)
    return path


def run(folder: Path, meanwhile: Callable[[Path, Path], None], *, rejected: int = 0) -> list[Handled]:
    """Import everything there is with an importer that lets `meanwhile(file, rejects)` happen."""

    def importer(path: Path, rejects: Path, name: str) -> ImportResult:
        meanwhile(path, rejects / f"{name}.rejects.csv")
        return ImportResult(name=str(path), kind="carts", format="native-carts", rows=2, accepted=1, rejected=rejected)

    ready = tuple(path for path in sorted(folder.iterdir()) if path.is_file())
    return list(inbox.run(folder, ready, {"carts": importer}))


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_file_that_is_replaced_while_it_is_imported_stays_for_the_next_run(tmp_path: Path) -> None:
    path = drop(tmp_path)

    def replace(_path: Path, rejects: Path) -> None:
        rejects.write_text("of the first", encoding="utf-8")
        path.write_text("the second", encoding="utf-8")

    (handled,) = run(tmp_path, replace, rejected=1)
    assert (handled.moved_to, handled.has_problems) == (path, True)
    assert files(tmp_path) == ["carts.csv", "done/carts.csv.rejects.csv"]
    assert path.read_text(encoding="utf-8") == "the second"


def test_a_file_that_is_replaced_while_it_fails_stays_for_the_next_run(tmp_path: Path) -> None:
    def fail(path: Path, _rejects: Path) -> None:
        path.write_text("complete now", encoding="utf-8")
        raise InputFileError("half a file")

    drop(tmp_path)
    assert run(tmp_path, fail) == []
    assert files(tmp_path) == ["carts.csv"]


def test_a_file_that_changed_since_it_was_looked_at_waits(tmp_path: Path) -> None:
    drop(tmp_path, "a.csv")
    later = drop(tmp_path, "b.csv")
    seen: list[str] = []

    def write(path: Path, _rejects: Path) -> None:
        seen.append(path.name)
        later.write_text(CSV * 2, encoding="utf-8")

    run(tmp_path, write)
    assert seen == ["a.csv"]
    assert files(tmp_path) == ["b.csv", "done/a.csv"]


def test_a_file_that_somebody_takes_away_is_no_fault(tmp_path: Path) -> None:
    drop(tmp_path, "a.csv")
    later = drop(tmp_path, "b.csv")
    assert len(run(tmp_path, lambda _path, _rejects: later.unlink())) == 1
    assert files(tmp_path) == ["done/a.csv"]


def test_a_database_at_fault_moves_no_file(tmp_path: Path) -> None:
    def fail(_path: Path, _rejects: Path) -> None:
        raise DatabaseError("the database is full")

    drop(tmp_path)
    with pytest.raises(DatabaseError):
        run(tmp_path, fail)
    assert files(tmp_path) == ["carts.csv"]


@pytest.mark.parametrize("kind", [DatabaseBusyError, UnreadableFileError, UnwritableFileError])
def test_a_fault_that_is_not_the_files_leaves_it_and_the_next_is_imported(
    tmp_path: Path, kind: type[CartctlError]
) -> None:
    def fail(path: Path, _rejects: Path) -> None:
        if path.name == "a.csv":
            raise kind("the disk is full")

    path = drop(tmp_path, "a.csv")
    drop(tmp_path, "b.csv")
    first, second = run(tmp_path, fail)
    assert (first.outcome, first.moved_to, first.error) == ("waiting", None, f"{path}: the disk is full")
    assert (first.has_problems, second.outcome) == (True, "done")
    assert files(tmp_path) == ["a.csv", "done/b.csv"]


def broken(folder: Path, *, is_broken: bool) -> None:
    """Let nothing be moved there, whoever runs the test."""
    folder.rmdir() if is_broken else folder.unlink(missing_ok=True)
    folder.touch() if is_broken else folder.mkdir()


def test_a_file_that_cannot_be_moved_is_named_and_the_next_is_imported(tmp_path: Path) -> None:
    path = drop(tmp_path, "a.csv")
    drop(tmp_path, "b.csv")
    done = tmp_path / "done"
    first, second = run(tmp_path, lambda path, _rejects: broken(done, is_broken=path.name == "a.csv"))
    assert (first.outcome, first.moved_to, first.error) == ("waiting", None, f"{path}: {done}: Not a directory")
    assert (first.result is not None, first.has_problems, second.outcome) == (True, True, "done")
    assert files(tmp_path) == ["a.csv", "done/b.csv"]


def test_a_reason_that_cannot_be_written_leaves_the_file_alone(tmp_path: Path) -> None:
    def fail(path: Path, _rejects: Path) -> None:
        broken(tmp_path / "failed", is_broken=path.name == "a.csv")
        raise InputFileError("half a file")

    drop(tmp_path, "a.csv")
    drop(tmp_path, "b.csv")
    assert [one.outcome for one in run(tmp_path, fail)] == ["waiting", "failed"]
    assert files(tmp_path) == ["a.csv", "failed/b.csv", "failed/b.csv.reason.txt"]


def test_rejected_rows_of_a_long_name_wait_for_their_file(tmp_path: Path) -> None:
    def fail(_path: Path, rejects: Path) -> None:
        rejects.write_text("a row", encoding="utf-8")
        broken(tmp_path / "done", is_broken=True)

    drop(tmp_path, f"{'x' * 246}.csv")
    assert [one.outcome for one in run(tmp_path, fail, rejected=1)] == ["waiting"]
    broken(tmp_path / "done", is_broken=False)
    (handled,) = run(tmp_path, lambda _path, _rejects: None, rejected=1)
    assert handled.moved_to is not None
    name = f"done/{handled.moved_to.name}"
    assert files(tmp_path) == [name, f"{name}.rejects.csv"]
