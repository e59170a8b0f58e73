"""The drop folder, with importers of the test's own: what happens to a file while it is imported."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cartctl.errors import DatabaseError, InputFileError
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
