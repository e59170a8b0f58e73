"""What must reach the database, however long somebody else holds it: asked again until it is there.

Nothing is given up while the server runs. Once it is told to stop there are `STOP_SECONDS` left for all of it together;
what is not on disk by then is lost, and said: how many, and of which messages.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from cartctl.errors import DatabaseBusyError, DatabaseError

log = logging.getLogger("cartctl.web")
STOP_SECONDS = 20.0
ANSWER_SECONDS = 5.0
"""How long whoever unsubscribes waits for the commit, before an honest 503. It is done all the same when it can be."""
_WARN_SECONDS = 30.0
_PAUSE_SECONDS = 0.5
_T = TypeVar("_T")


class Persistence:
    """Asks again, for as long as the server runs. Of several threads."""

    def __init__(self) -> None:
        self.stop_seconds, self.answer_seconds = STOP_SECONDS, ANSWER_SECONDS
        self._stopping = threading.Event()
        self._until = 0.0
        self._has_given_up = False
        self._lost: dict[str, list[int]] = {}

    def stop(self) -> None:
        """Begin to count the seconds that are left."""
        self._until = time.monotonic() + self.stop_seconds
        self._stopping.set()

    def insist(self, work: Callable[[], _T], what: str) -> _T:
        """Do `work` until the database takes it. Raises DatabaseError when the server stops before that."""
        begun, warned = time.monotonic(), False
        while not self._has_given_up:
            try:
                return work()
            except DatabaseError as error:
                self._has_given_up = self._stopping.is_set() and time.monotonic() >= self._until
                if not warned and time.monotonic() - begun > _WARN_SECONDS:
                    log.warning("%s wait: the database is held or away", what)
                    warned = True
                if not isinstance(error, DatabaseBusyError) and not self._has_given_up:  # that one has waited already
                    time.sleep(_PAUSE_SECONDS)
        raise DatabaseBusyError("the database was held or away until the end")

    def lose(self, what: str, message_ids: Iterable[int]) -> None:
        """Note what will never be on disk, by the messages that it is of."""
        self._lost.setdefault(what, []).extend(message_ids)

    def report(self) -> None:
        """Say what was lost: how many, and of which messages."""
        for what, ids in sorted(self._lost.items()):
            of = ", ".join(map(str, sorted(set(ids))))
            log.error("%d %s lost: the database was held or away; messages: %s", len(ids), what, of)
