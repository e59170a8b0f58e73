"""The drop folder: every file that was put there is imported once, by its kind, and then moved away.

1. Files that somebody may still be writing are left alone. The others are told apart by their content; lists of
   addresses and of codes by their name, too.
2. Who must not be written to and what was bought comes first, then carts, then the rest; the older file first.
3. Each file is imported in a transaction of its own, as its command would. Its rejected rows wait in `.inbox/`.
4. Only then is it moved: to `done/`, or to `failed/` where nothing of it was imported.

5. Where disk, folder or database fail, the file stays for the next run, and the others are looked at: its content may
   be sound.

A process may die anywhere. A file that was imported and not moved is known by its content the next time: it changes
nothing, and is moved. The caller holds a lock: two processes never work on one folder.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from cartctl.domain.identity import without_addresses
from cartctl.errors import (
    CartctlError,
    DatabaseBusyError,
    InputFileError,
    UnreadableFileError,
    UnwritableFileError,
    UsageError,
)
from cartctl.importers import contacts, coupons, registry, resend_events, sendgrid_events, suppressions
from cartctl.importers.csvfile import CsvFile, open_binary
from cartctl.importers.source import open_source
from cartctl.jobs.importing import ImportResult

QUIET = timedelta(minutes=1)
"""A file that was changed within this time may not be complete yet."""
DONE, FAILED, WORK = "done", "failed", ".inbox"
KINDS = ("suppressions", "contacts", "orders", "tiktok", "carts", "events", "coupons")
"""In the order in which they are imported: what keeps mails from going out comes first."""
_UNFINISHED = (".part", ".filepart", ".tmp")
_NAME_BYTES = 231
"""Of a file's name: file systems take 255, and `-2`, `.rejects.jsonl.part` or `.reason.txt` must go behind it."""
_SUFFIX_BYTES = 16

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
    """What became of one file. `result` is None where nothing was imported; then `error` says why.

    `waiting`: it was left where it is for the next run, `moved_to` is None, and `error` says why; if only the move
    failed there is a `result`, too.
    """

    path: Path
    kind: str
    outcome: Literal["done", "failed", "waiting"]
    moved_to: Path | None
    result: ImportResult | None = None
    error: str = ""

    @property
    def has_problems(self) -> bool:
        """Whether it has something to tell; a file that was told of before has not."""
        return self.outcome != "done" or (self.result is not None and self.result.rejects_file is not None)

    @property
    def safe_error(self) -> str:
        """The error as it may be printed."""
        return without_addresses(self.error, name=str(self.path))

    def as_json(self) -> dict[str, Any]:
        """Return the documented JSON object."""
        return {
            "file": shown(self.path),
            "kind": self.kind,
            "outcome": self.outcome,
            "moved_to": shown(self.moved_to) if self.moved_to else None,
            "error": self.safe_error or None,
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

    Raises DatabaseError when the database is at fault (but for a busy one, which is the file's), UsageError when the
    folder is: what was not moved stays.
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
    fault: CartctlError | None = None
    """What kept its content from being looked at."""

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
        except UnreadableFileError as fault:
            found.append(_Found(path, stamp, "", fault=fault))
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
        elif resend_events.recognise(source.sample) or sendgrid_events.recognise(source.sample):
            return "events"
        if contacts.FILE_NAMES.match(path.name):
            return "contacts"
        for format_ in registry.formats():
            if registry.fits(format_, source):
                return format_.kind
    raise InputFileError(
        f"{path}: no export that cartctl knows: `cartctl import formats` lists them. Other lists of addresses or codes "
        "are known by their names: suppressions*.csv, coupons-NAME.csv, contacts*"
    )


def _handle(folder: Path, found: _Found, importers: Mapping[str, Importer]) -> Handled | None:
    path, error = found.path, found.error
    result: ImportResult | None = None
    if _stamp(path) != found.stamp:
        return None
    if found.fault:
        return _left(found, found.fault)
    try:
        if not error:
            try:
                result = importers[found.kind](path, folder / WORK, _fitting(path.name))
            except (DatabaseBusyError, UnreadableFileError, UnwritableFileError) as fault:
                return _left(found, fault)
            except (InputFileError, UsageError) as fault:
                error = str(fault)
        same = _stamp(path) == found.stamp  # else it has been replaced meanwhile: the new one waits for the next run
        if result is not None:
            return _put_away(folder, found, result, is_there=same)
        return _give_up(folder, found, error) if same else None
    except OSError as fault:
        return _left(found, fault, result)


def _left(found: _Found, fault: CartctlError | OSError, result: ImportResult | None = None) -> Handled:
    """Leave a file for the next run; what was imported of it already will be known then."""
    name = shown(found.path)
    reason = (
        f"{shown(Path(str(fault.filename or name)))}: {fault.strerror}" if isinstance(fault, OSError) else str(fault)
    )
    error = reason if reason.startswith(f"{name}:") else f"{name}: {reason}"
    return Handled(path=found.path, kind=found.kind, outcome="waiting", moved_to=None, result=result, error=error)


def _put_away(folder: Path, found: _Found, result: ImportResult, *, is_there: bool) -> Handled:
    """Move a file that was imported; its rejected rows first, for it is the file that is looked for the next time."""
    path, name = found.path, _fitting(found.path.name)
    nothing = bool(result.rejected and not result.accepted)
    home = folder / (FAILED if nothing else DONE)
    waiting = next(iter(_rejects(folder / WORK, name)), None)
    if waiting and not result.rejected:
        waiting.unlink()  # of another file that had this name, and went before it was imported
        waiting = None
    target = None
    if result.rejected and result.already_imported and not waiting:
        # It was imported by a process that died when only the rejected rows had been moved (or long ago: then not).
        target = next((taken for taken in _candidates(home, name) if _beside(taken) and not _exists(taken)), None)
    if target is None:
        target = next(free for free in _names(home, name) if not _exists(free) and not _beside(free))
    if waiting:
        waiting.rename(home / f"{target.name}{waiting.name.removeprefix(name)}")
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
    reason = f"{error}\n".encode()
    for target in _names(folder / FAILED, _fitting(found.path.name)):
        note = target.with_name(f"{target.name}.reason.txt")
        # A note without its file is left by a process that died here: it says the same, or had only begun to.
        if not _exists(target) and (not _exists(note) or reason.startswith(note.read_bytes())):
            break
    try:
        note.write_bytes(reason)
        found.path.rename(target)
    except OSError:
        with contextlib.suppress(OSError):
            note.unlink()
        raise
    return Handled(path=found.path, kind=found.kind, outcome="failed", moved_to=target, error=error)


def _fitting(name: str) -> str:
    """Return the name that a file gets when it is moved: its own, but for one that leaves no room behind it."""
    whole = os.fsencode(name)
    if len(whole) <= _NAME_BYTES:
        return name
    suffix = os.fsencode(Path(name).suffix)
    suffix = suffix if len(suffix) <= _SUFFIX_BYTES else b""
    behind = f"~{hashlib.sha256(whole).hexdigest()[:8]}".encode() + suffix
    return (whole[: _NAME_BYTES - len(behind)] + behind).decode("utf-8", "ignore")


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
    there = {_fitting(path.name) for path in folder.iterdir()}
    for path in (folder / WORK).iterdir():
        owner, found, _ = path.name.rpartition(".rejects.")
        if path.suffix == ".part" or (found and owner not in there):
            with contextlib.suppress(OSError):  # whoever needs this name will say what is wrong with it
                path.unlink()
