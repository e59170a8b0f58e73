"""How much one mail's templates may use: processor time, output, and the size of what they multiply.

They are edited by people who write mails, not programs. A template that loops for ever must neither hold up the mails
of the others nor take the machine with it: it fails like any other fault, named with its line. What it asks of Python
in one go (`"x".ljust(10 ** 10)`) no bound here sees; `jobs.contained` holds that, where templates are checked.
"""

import signal
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from cartctl.errors import CostlyTemplateError

CPU_SECONDS = 1
"""For all parts of one mail. The slowest seen took a fifteenth of it, its templates read for the first time."""
MAX_CHARACTERS = 1_000_000
"""Of one part. Mail programs cut at a tenth of that."""
MAX_BITS = 4096
"""Of a number that a template multiplies up: more is no price and no count."""


@contextmanager
def cpu_limit() -> Iterator[None]:
    """Raise CostlyTemplateError inside once the process has worked `CPU_SECONDS`.

    Signals reach the main thread alone: in another there is no limit. A process that was stopped meanwhile, or a slow
    machine, is nobody's fault: what counts is its own time, not that of the clock on the wall.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGVTALRM, _stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS, CPU_SECONDS)  # again, should something swallow the first
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise CostlyTemplateError(f"takes longer than {CPU_SECONDS} s: does a loop in it never end?")


def joined(pieces: Iterator[str]) -> str:
    """Put together what a template writes. Where it does not stop, CostlyTemplateError is raised at its very line."""
    kept: list[str] = []
    size = 0
    for piece in pieces:
        kept.append(piece)
        size += len(piece)
        if size > MAX_CHARACTERS:
            assert isinstance(pieces, Generator), "Jinja2 calls it an iterator"
            pieces.throw(CostlyTemplateError(f"writes more than {MAX_CHARACTERS:,} characters"))
    return "".join(kept)


def check_product(operator: str, left: Any, right: Any) -> None:
    """Refuse `"x" * 10 ** 10` and `10 ** 10 ** 10`, which would take the memory, or for ever. Raises likewise."""
    if isinstance(left, int) and isinstance(right, int):
        bits = left.bit_length() + right.bit_length() if operator == "*" else left.bit_length() * max(right, 0)
        if bits > MAX_BITS:
            raise CostlyTemplateError(f"a number of more than {MAX_BITS} bits")
    elif operator == "*":
        times, what = (left, right) if isinstance(left, int) else (right, left)
        if isinstance(times, int) and hasattr(what, "__len__") and len(what) * times > MAX_CHARACTERS:
            raise CostlyTemplateError(f"a text or list of more than {MAX_CHARACTERS:,}")
