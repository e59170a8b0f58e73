"""Rendering what was claimed: in this process, or, with much to send, in a child beside it.

One interpreter keeps one core busy, and rendering is a third of what a mail costs. The child is a copy of this process
(fork), so it has templates, rules and links; it keeps nothing open but its pipe, and ends when that does: with the run,
however that ends.
"""

import gc
import mmap
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from sqlalchemy import Row

from cartctl.errors import TemplateError
from cartctl.jobs.compose import Composer, Content
from cartctl.jobs.rules import Rules
from cartctl.mail.message import OutgoingMessage, Transport

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

PATIENCE_SECONDS = 30
"""So long a child may be at one mail. Its own limit (`mail.bounds`) ends it long before, unless it cannot be heard."""
_PLACE = Struct("I")
_STANDARD = 3
"""File descriptors below it are standard streams."""
ENDED = "the process that renders has ended"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a message could not be rendered: in words, and as the reason of its transition."""

    what: str
    reason: str = "template"


Draft = OutgoingMessage | Fault | None
"""None: the step is gone."""
Drafted = tuple[Row[Any], Content, Draft]
Waiting = tuple[Row[Any], Content, datetime]
"""What is to be rendered, and the time at which it says it was sent."""


@dataclass(frozen=True, slots=True)
class Drafter:
    """Renders one message."""

    composer: Composer
    rules: Rules
    transport: Transport

    def draft(self, message_id: int, step_key: str, content: Content, now: datetime) -> Draft:
        """Render it. Whatever one cart's data does to a template, the others go out."""
        sequence = self.rules.sequences.get(content.row.sequence)
        step = sequence.step(step_key) if sequence else None
        if sequence is None or step is None:
            return None
        try:
            return self.composer.compose(message_id, sequence, step, content, now=now)
        except Exception as error:  # noqa: BLE001 - see above
            return Fault(str(error) if isinstance(error, TemplateError) else f"{type(error).__name__} while rendering")

    def written(self, message_id: int, step_key: str, content: Content, now: datetime) -> Draft:
        """Render it, and write it as it leaves: less is left to do for the threads that send."""
        draft = self.draft(message_id, step_key, content, now)
        return self.transport.written(draft) if isinstance(draft, OutgoingMessage) else draft


class Desk(Protocol):
    """Takes what is to be rendered, and gives back what is."""

    ahead: int
    """How many windows' worth should lie here or be ready, so that there is always something to let leave."""
    apart: bool
    """Whether what it does has a limit of time even if it is asked from a thread (`mail.bounds`)."""

    @property
    def pending(self) -> int:
        """How many were put here and not taken back."""
        ...

    def put(self, waiting: Sequence[Waiting]) -> None: ...

    def take(self, *, wait: bool) -> list[Drafted]:
        """Return what is rendered by now. With `wait`, at least one if anything is pending."""
        ...

    def close(self) -> None: ...


class Here:
    """Renders in this process, at once."""

    ahead = 1
    apart = False

    def __init__(self, drafter: Drafter) -> None:
        self._drafter = drafter
        self._done: list[Drafted] = []

    @property
    def pending(self) -> int:
        return len(self._done)

    def put(self, waiting: Sequence[Waiting]) -> None:
        self._done += ((row, about, self._drafter.draft(row.id, row.step, about, now)) for row, about, now in waiting)

    def take(self, *, wait: bool) -> list[Drafted]:
        done, self._done = self._done, []
        return done

    def close(self) -> None:
        pass


class Beside:
    """Renders in a child process. One lot at a time is with it, so neither ever waits for the other to read.

    Raises OSError where there can be no child.
    """

    ahead = 2
    apart = True

    def __init__(self, drafter: Drafter) -> None:
        from multiprocessing import Pipe  # most runs need none

        self._here = Here(drafter)
        self._next: list[Waiting] = []
        self._away: list[Waiting] = []
        self._at = mmap.mmap(-1, _PLACE.size)
        """Shared with the child: which of the lot it is at."""
        self._pipe, theirs = Pipe()
        try:
            self._child = self._start(theirs, drafter)
        except OSError:
            self._pipe.close()
            raise
        finally:
            theirs.close()

    def _start(self, theirs: "Connection", drafter: Drafter) -> int:
        # A Ctrl-C between the copy and its first step would end this run twice, the second time in the child.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            if child := os.fork():
                return child
            _be_the_child(theirs, self._at, drafter)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    @property
    def pending(self) -> int:
        return len(self._next) + len(self._away) + self._here.pending

    def put(self, waiting: Sequence[Waiting]) -> None:
        if self._child:
            self._next += waiting
            self._send()
        else:
            self._here.put(waiting)

    def take(self, *, wait: bool) -> list[Drafted]:
        done = self._here.take(wait=False)
        if self._away and ((wait and not done) or self._pipe.poll()):
            drafts = self._received()
            if drafts is None:
                return done + self._go_on_alone()
            away, self._away = self._away, []
            done += ((row, about, draft) for (row, about, _), draft in zip(away, drafts, strict=True))
            self._send()
        return done

    def close(self) -> None:
        """End the child, wherever it is: it has nothing that anybody needs."""
        self._pipe.close()
        if self._child:
            with suppress(OSError):
                os.kill(self._child, signal.SIGKILL)
                os.waitpid(self._child, 0)
            self._child = 0

    def _send(self) -> None:
        if self._away or not self._next:
            return
        self._away, self._next = self._next, []
        self._at[:] = _PLACE.pack(0)
        with suppress(OSError):  # it has ended: `take` sees it
            self._pipe.send([(row.id, row.step, about, now) for row, about, now in self._away])

    def _received(self) -> "list[Draft] | None":
        """Return what it has rendered. None: it has ended, or has been at the same mail for too long."""
        before = None
        try:
            while not self._pipe.poll(PATIENCE_SECONDS):
                place = self._at[:]
                if place == before:
                    return None
                before = place
            drafts: list[Draft] = self._pipe.recv()
        except (EOFError, OSError):
            return None
        return drafts

    def _go_on_alone(self) -> list[Drafted]:
        """Render here from now on, but for the mail that it was at: that one may be what ended it."""
        self.close()
        (at,) = _PLACE.unpack(self._at[:])
        (row, about, _), *rest = self._away[at:] + self._away[:at]
        self._here.put(rest + self._next)
        self._away, self._next = [], []
        return [(row, about, Fault(ENDED, "renderer-ended")), *self._here.take(wait=False)]


def cores() -> int:
    """Return how many this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def desk(drafter: Drafter, *, beside: bool) -> Desk:
    """Make one, beside this process if that may be. A copy would wait for ever for locks that other threads hold;
    and where other systems say that a copy must not go on, it does not.
    """
    if beside and sys.platform == "linux" and threading.active_count() == 1:
        with suppress(OSError):  # too many processes, or no memory for one more
            return Beside(drafter)
    return Here(drafter)


def _be_the_child(pipe: "Connection", at: mmap.mmap, drafter: Drafter) -> NoReturn:
    """Render until the pipe ends. Nothing that this process does at its end is done: it is its parent's to do."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run ends the child
        gc.freeze()  # what was copied is not to be collected here
        _keep_open_only(pipe.fileno())
        while True:
            drafts: list[Draft] = []
            for number, each in enumerate(pipe.recv()):
                at[:] = _PLACE.pack(number)
                drafts.append(drafter.written(*each))
            pipe.send(drafts)
    finally:
        os._exit(0)


def _keep_open_only(descriptor: int) -> None:
    """Let go of the lock, the database and the terminal: nobody must wait for this process to get them."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    try:
        opened = [int(each.name) for each in Path("/proc/self/fd").iterdir()]
    except OSError:  # a container without /proc: a run opens far fewer
        opened = list(range(1024))
    for each in opened:
        if each == descriptor:
            continue
        with suppress(OSError):
            if each < _STANDARD:
                os.dup2(nowhere, each)
            else:
                os.close(each)
