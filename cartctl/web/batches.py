"""Database work of concurrent requests, done together: one thread, one transaction for as much as has gathered.

Nobody waits for company: what comes alone is done alone. What comes meanwhile shares the next transaction, and so one
wait for the disk.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

_In = TypeVar("_In")
_Out = TypeVar("_Out")
LARGEST = 256


class Batches(Generic[_In, _Out]):
    """Hands items to `work`, which answers each of them, in one thread."""

    def __init__(self, name: str, work: Callable[[Sequence[_In]], Sequence[_Out]], *, largest: int = LARGEST) -> None:
        self._work, self._largest = work, largest
        self._begun_at: float | None = None
        self._queue: SimpleQueue[tuple[_In, asyncio.Future[_Out]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"cartctl-{name}", daemon=True)
        self._thread.start()

    def ask(self, item: _In) -> "asyncio.Future[_Out]":
        """Return the answer to come. Whoever stops waiting for it does not call the work back."""
        future: asyncio.Future[_Out] = asyncio.get_running_loop().create_future()
        self._queue.put((item, future))
        return future

    def is_behind(self, seconds: float) -> bool:
        """Say whether what is under way has taken longer than this: then nobody should wait for it."""
        begun_at = self._begun_at
        return begun_at is not None and time.monotonic() - begun_at > seconds

    def close(self) -> None:
        """Do what was asked so far, then end."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        closing = False
        while not closing:
            asked = [self._queue.get()]
            while len(asked) < self._largest:
                try:
                    asked.append(self._queue.get_nowait())
                except Empty:
                    break
            closing = None in asked
            if batch := [each for each in asked if each is not None]:
                self._answer(batch)

    def _answer(self, batch: "list[tuple[_In, asyncio.Future[_Out]]]") -> None:
        results: Sequence[_Out] | Exception
        self._begun_at = time.monotonic()
        try:
            results = self._work([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - whoever asked is told, and decides
            results = error
        self._begun_at = None
        loop = batch[0][1].get_loop()
        if not loop.is_closed():
            loop.call_soon_threadsafe(_deliver, [future for _, future in batch], results)


def _deliver(futures: "list[asyncio.Future[_Out]]", results: Sequence[_Out] | Exception) -> None:
    for place, future in enumerate(futures):
        if future.done():
            continue
        if isinstance(results, Exception):
            future.set_exception(results)
            future.exception()  # whoever has stopped waiting is nobody to complain of
        else:
            future.set_result(results[place])
