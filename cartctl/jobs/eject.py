"""Copy the shipped templates into a folder of the shop's own, to be edited. Nothing that is there is changed."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cartctl.errors import UnwritableFileError, UsageError
from cartctl.mail.templates import SEQUENCE_FILE
from cartctl.suggest import did_you_mean


@dataclass(slots=True)
class Ejected:
    """What became of each file, named as within the folder."""

    copied: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    """There already, to the letter."""
    kept: list[str] = field(default_factory=list)
    """There already, and different: left as they are."""


def run(shipped: Path, folder: Path, *, sequence: str | None) -> Ejected:
    """Copy everything, or one sequence's folder. Raises UsageError for an unknown sequence or an unfit folder."""
    names = sorted(path.parent.name for path in shipped.glob(f"*/{SEQUENCE_FILE}"))
    if sequence is not None and sequence not in names:
        raise UsageError(f'no sequence "{sequence}" comes with cartctl{did_you_mean(sequence, names)}')
    sources = [source for source in sorted((shipped / (sequence or "")).rglob("*")) if source.is_file()]
    _refuse_links(folder, (source.relative_to(shipped) for source in sources))
    result = Ejected()
    for source in sources:
        _copy(source, folder, source.relative_to(shipped), result)
    return result


def _refuse_links(folder: Path, names: Iterable[Path]) -> None:
    """Raise UsageError where a folder within `folder` is a link that leads out of it."""
    for parent in sorted({folder / name.parent for name in names}):
        if not parent.resolve().is_relative_to(folder.resolve()):
            raise UsageError(f"{parent} is a link that leads out of {folder}: put a folder there, or name another DIR")


def _copy(source: Path, folder: Path, name: Path, result: Ejected) -> None:
    target, content = folder / name, source.read_bytes()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as stream:  # never the place of a file that somebody has just put there
            stream.write(content)
    except FileExistsError:
        same = target.is_file() and target.read_bytes() == content
        (result.same if same else result.kept).append(str(name))
    except OSError as error:
        raise UnwritableFileError(f"{target}: cannot be written: {error.strerror}") from None
    else:
        result.copied.append(str(name))
