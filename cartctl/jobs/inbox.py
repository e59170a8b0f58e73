"""The drop folder: every file that was put there is imported once, by its kind, and then moved away.

1. Files that somebody may still be writing are left alone. The others are told apart by their content; lists of
   addresses and of codes by their name, too.
2. Who must not be written to and what was bought comes first, then carts, then the rest; the older file first.
3. Each file is imported in a transaction of its own, as its command would. Its rejected rows wait in `.inbox/`.
4. Only then is it moved: to `done/`, or to `failed/` where nothing of it was imported.

A process may die anywhere. A file that was imported and not moved is known by its content the next time: it changes
nothing, and is moved. The caller holds a lock: two processes never work on one folder.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from cartctl.errors import InputFileError, UsageError
from cartctl.importers import coupons, registry, sendgrid_events, suppressions
from cartctl.importers.csvfile import CsvFile, open_binary
from cartctl.importers.source import open_source
from cartctl.jobs.importing import ImportResult

QUIET = timedelta(minutes=1)
"""A file that was changed within this time may not be complete yet."""
DONE, FAILED, WORK = "done", "failed", ".inbox"
KINDS = ("suppressions", "orders", "tiktok", "carts", "events", "coupons")
"""In the order in which they are imported: what keeps mails from going out comes first."""
_UNFINISHED = (".part", ".filepart", ".tmp")

Importer = Callable[[Path, Path, str], ImportResult]
"""Imports one file; the other two say in which folder, and under which name, its rejected rows go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What lies in the folder. `early`: files changed in the future; nobody can say how old they are."""

    ready: tuple[Path, ...]
    young: tuple[Path, ...]
    early: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """What became of one file. `result` is None where nothing could be read; then `error` says why."""

    path: Path
    kind: str
    outcome: Literal["done", "failed"]
    moved_to: Path
    result: ImportResult | None = None
    error: str = ""

    @property
    def has_problems(self) -> bool:
        """Whether it has something to tell; a file that was told of before has not."""
        return self.outcome == "failed" or (self.result is not None and self.result.rejects_file is not None)

    def as_json(self) -> dict[str, Any]:
        """Return the documented JSON object."""
        return {
            "file": shown(self.path),
            "kind": self.kind,
            "outcome": self.outcome,
            "moved_to": shown(self.moved_to),
            "error": self.error or None,
            "import": self.result.as_json() if self.result else None,
        }


def look(folder: Path, *, now: datetime) -> Waiting:
    """Sort the files of the folder by whether they are complete; `now` is the real time, as the files' own is."""
    ready: list[Path] = []
    young: list[Path] = []
    early: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name.lower().endswith(_UNFINISHED) or not path.is_file():
            continue
        age = now - datetime.fromtimestamp(path.stat().st_mtime, UTC)
        (early if age < -QUIET else young if age < QUIET else ready).append(path)
    return Waiting(ready=tuple(ready), young=tuple(young), early=tuple(early))


def run(folder: Path, ready: tuple[Path, ...], importers: Mapping[str, Importer]) -> Iterator[Handled]:
    """Import these files and move them away; yield each as soon as that is done.

    Raises DatabaseError when the database is at fault, UsageError when the folder is: what was not moved stays.
    """
    try:
        for name in (DONE, FAILED, WORK):
            (folder / name).mkdir(exist_ok=True)
        _sweep(folder)
        for found in _in_order(ready):
            if handled := _handle(folder, found, importers):
                yield handled
    except OSError as fault:
        raise UsageError(f"{fault.filename or folder}: {fault.strerror}: may this user write to the folder?") from None


@dataclass(frozen=True, slots=True)
class _Found:
    """A file and its kind; of what is of no kind, the reason. `stamp` tells whether it is still the same file."""

    path: Path
    stamp: tuple[int, int, int]
    kind: str
    error: str = ""

    @property
    def rank(self) -> tuple[int, int, str]:
        order = KINDS.index(self.kind) if self.kind else len(KINDS)
        return order, self.stamp[0], self.path.name


def _in_order(ready: tuple[Path, ...]) -> list[_Found]:
    found: list[_Found] = []
    for path in ready:
        stamp = _stamp(path)
        if stamp is None:
            continue
        try:
            found.append(_Found(path, stamp, kind_of(path)))
        except InputFileError as fault:
            found.append(_Found(path, stamp, "", str(fault)))
    return sorted(found, key=lambda one: one.rank)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file is written again or replaced; None for one that was taken away."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def kind_of(path: Path) -> str:
    """Say what a file is. Raises InputFileError when it is nothing that cartctl knows."""
    with open_binary(path) as stream:
        source = open_source(path, stream)
        if isinstance(source, CsvFile):
            for kind, module in (("coupons", coupons), ("suppressions", suppressions)):
                if module.FILE_NAMES.match(path.name) or module.recognise(source.header):
                    return kind
        elif sendgrid_events.recognise(source.sample):
            return "events"
        for format_ in registry.formats():
            if registry.fits(format_, source):
                return format_.kind
    raise InputFileError(
        f"{path}: no export that cartctl knows: `cartctl import formats` lists them. Other lists of addresses or codes "
        "are known by their names: suppressions*.csv, coupons-NAME.csv"
    )


def _handle(folder: Path, found: _Found, importers: Mapping[str, Importer]) -> Handled | None:
    path, error = found.path, found.error
    result: ImportResult | None = None
    if _stamp(path) != found.stamp:
        return None
    if not error:
        try:
            result = importers[found.kind](path, folder / WORK, path.name)
        except (InputFileError, UsageError) as fault:
            error = str(fault)
    same = _stamp(path) == found.stamp  # else it has been replaced meanwhile: the new one waits for the next run
    if result is not None:
        return _put_away(folder, found, result, is_there=same)
    return _give_up(folder, found, error) if same else None


def _put_away(folder: Path, found: _Found, result: ImportResult, *, is_there: bool) -> Handled:
    """Move a file that was imported; its rejected rows first, for it is the file that is looked for the next time."""
    path = found.path
    nothing = bool(result.rejected and not result.accepted)
    home = folder / (FAILED if nothing else DONE)
    waiting = next(iter(_rejects(folder / WORK, path.name)), None)
    if waiting and not result.rejected:
        waiting.unlink()  # of another file that had this name, and went before it was imported
        waiting = None
    target = None
    if result.rejected and result.already_imported and not waiting:
        # It was imported by a process that died when only the rejected rows had been moved (or long ago: then not).
        target = next((name for name in _candidates(home, path.name) if _beside(name) and not _exists(name)), None)
    if target is None:
        target = next(name for name in _names(home, path.name) if not _exists(name) and not _beside(name))
    if waiting:
        waiting.rename(home / f"{target.name}{waiting.name.removeprefix(path.name)}")
    rejects = next(iter(_rejects(home, target.name)), None)
    if is_there:
        path.rename(target)
    return Handled(
        path=path,
        kind=found.kind,
        outcome="failed" if nothing else "done",
        moved_to=target if is_there else path,
        result=replace(result, rejects_file=shown(rejects) if rejects else None),
    )


def _give_up(folder: Path, found: _Found, error: str) -> Handled:
    """Move a file of which nothing was imported, with the reason beside it."""
    reason = f"{error}\n"
    for target in _names(folder / FAILED, found.path.name):
        note = target.with_name(f"{target.name}.reason.txt")
        # A note without its file is left by a process that died here: it says the same.
        if not _exists(target) and (not _exists(note) or note.read_text(encoding="utf-8") == reason):
            note.write_text(reason, encoding="utf-8")
            found.path.rename(target)
            break
    return Handled(path=found.path, kind=found.kind, outcome="failed", moved_to=target, error=error)


def _names(home: Path, name: str) -> Iterator[Path]:
    """Yield `carts.csv`, `carts-2.csv`, `carts-3.csv` … in `home`."""
    plain = home / name
    yield plain
    number = 2
    while True:
        yield plain.with_name(f"{plain.stem}-{number}{plain.suffix}")
        number += 1


def _candidates(home: Path, name: str) -> Iterator[Path]:
    """Yield those of `_names` that are taken, by the file or by what lies beside one."""
    for target in _names(home, name):
        if not _exists(target) and not _beside(target):
            return
        yield target


def _exists(path: Path) -> bool:
    return os.path.lexists(path)


def _beside(target: Path) -> bool:
    return bool(_rejects(target.parent, target.name)) or _exists(target.with_name(f"{target.name}.reason.txt"))


def _rejects(home: Path, name: str) -> list[Path]:
    """Return the rejected rows of the file called `name`: `carts.csv.rejects.csv`."""
    return sorted(
        path for path in home.iterdir() if path.name.startswith(f"{name}.rejects.") and path.suffix != ".part"
    )


def shown(path: Path) -> str:
    """A file's name may be no UTF-8; what is printed must be."""
    return os.fsencode(path).decode("utf-8", "replace")


def _sweep(folder: Path) -> None:
    """Remove what a dead process left in `.inbox/`: halves, and rejected rows of files that are there no more."""
    for path in (folder / WORK).iterdir():
        owner, found, _ = path.name.rpartition(".rejects.")
        if path.suffix == ".part" or (found and not (folder / owner).exists()):
            path.unlink()
