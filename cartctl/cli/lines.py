"""Lines that are printed at the end of a run in the order of their messages, however many: they wait on the disk.

Answers come in any order, and two runs of the same shop must print the same; so nothing is printed before the last.
"""

import sqlite3
from collections.abc import Iterator
from threading import Lock

KEPT_KB = 32
"""So much of them is kept in memory."""


class Lines:
    """A database of the run's own, without a name: what it writes to the disk nobody else can open, and it is gone.

    Where the disk does not take them all there are none, and `lost` says why: no mail waits for that.
    """

    def __init__(self) -> None:
        self.lost = ""
        self._lock = Lock()  # each transport of a run may have a thread
        self._database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA temp_store = FILE")
        self._database.execute(f"PRAGMA cache_size = -{KEPT_KB}")
        self._database.execute("CREATE TABLE lines (message_id INTEGER, line TEXT)")

    def add(self, message_id: int, line: str) -> None:
        with self._lock:
            try:
                if not self.lost:
                    self._database.execute("INSERT INTO lines VALUES (?, ?)", (message_id, line))
            except sqlite3.Error as error:
                self.lost = str(error)

    def __iter__(self) -> Iterator[str]:
        try:
            if not self.lost:
                for (line,) in self._database.execute("SELECT line FROM lines ORDER BY message_id, rowid"):
                    yield line
        except sqlite3.Error as error:
            self.lost = str(error)

    def close(self) -> None:
        self._database.close()
