"""Where a run dies on purpose, in tests: off unless CARTCTL_TEST_FAILPOINT is set.

`after-gate` kills the process the first time it gets there, `after-gate:3` the third time, `after-gate:3:STOP` stops
it there (SIGSTOP). The points are those that jobs name when they call `SendJob.at`.
"""

import itertools
import os
import signal
from collections.abc import Callable, Mapping


def failpoint(environment: Mapping[str, str]) -> Callable[[str], None]:
    """Return what a job calls at each of its points."""
    chosen = environment.get("CARTCTL_TEST_FAILPOINT")
    if not chosen:
        return lambda _point: None
    point, _, rest = chosen.partition(":")
    nth, _, name = rest.partition(":")
    visits = itertools.count(1)  # `next` is atomic: a point may be reached in several threads at once

    def at(reached: str) -> None:
        if reached == point and next(visits) == int(nth or 1):
            os.kill(os.getpid(), signal.Signals[f"SIG{name or 'KILL'}"])

    return at
