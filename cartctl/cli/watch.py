"""Who watches a run from outside: the address that is called at its start and end, and Prometheus' textfile.

Neither ever fails the run, nor holds it up for long. The address is a secret: whoever knows it can silence the alarm.
"""

import threading
from datetime import datetime
from typing import Literal

from cartctl.cli.logs import LOG
from cartctl.cli.session import State
from cartctl.errors import CartctlError

PATIENCE_SECONDS = 5.0
"""For one call, from looking up the name to the answer: so long a dead watcher may hold up a run, at start and end."""
_ENDINGS = {"start": "/start", "success": "", "failure": "/fail"}


class Ping:
    """Calls `healthcheck.url` as healthchecks.io has it: URL/start, URL, URL/fail."""

    def __init__(self, url: str, *, verbose: bool) -> None:
        """Without `verbose` a call that fails is not spoken of: that it was missed is the watcher's to tell."""
        self._url, self._verbose = url, verbose

    def call(self, moment: Literal["start", "success", "failure"]) -> None:
        """Call, and go on without an answer when it takes too long. A query stays behind the path."""
        path, sign, query = self._url.partition("?")
        fault: list[str] = ["no answer in time"]
        thread = threading.Thread(
            target=_get,
            args=(f"{path.rstrip('/')}{_ENDINGS[moment]}{sign}{query}", fault),
            daemon=True,
            name="healthcheck",
        )
        thread.start()
        thread.join(PATIENCE_SECONDS)
        if fault and (self._verbose or LOG.is_json):
            LOG.complain(f"healthcheck.url could not be told of the run's {moment}: {fault[0]}")


def _get(url: str, fault: list[str]) -> None:
    """Empty `fault`, or put into it what went wrong, without the address."""
    from urllib.error import HTTPError
    from urllib.request import urlopen

    try:
        with urlopen(url, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310 - the configuration lets http(s) through alone
            answer.read(1000)
        fault.clear()
    except HTTPError as error:
        fault[:] = [f"answer {error.code}"]
    except Exception as error:  # noqa: BLE001 - a run never fails for its watcher's sake, and the text may name the URL
        fault[:] = [type(error).__name__]


class Watch:
    """What is told of one run, where `url` or `textfile` are configured."""

    def __init__(self, state: State, *, ping: bool, textfile: bool) -> None:
        settings = state.loaded.settings
        self._state = state
        url = settings.healthcheck.url.reveal() if ping else ""
        self._ping = Ping(url, verbose=state.verbose) if url else None
        self._textfile = state.loaded.metrics_textfile if textfile else None

    def started(self) -> None:
        if self._ping:
            self._ping.call("start")

    def ended(self, *, now: datetime, success: bool) -> None:
        """Tell how it ended. Also after a run that died of an error."""
        if self._textfile:
            self._write(now, success=success)
        if self._ping:
            self._ping.call("success" if success else "failure")

    def _write(self, now: datetime, *, success: bool) -> None:
        from cartctl.cli import metrics
        from cartctl.jobs import status

        assert self._textfile
        try:
            with self._state.database(writes=False) as database, database.read() as connection:
                figures = status.figures(connection, now=now)
            metrics.write(figures, self._textfile, success=success)
        except CartctlError:
            return  # it was the run's own fault, and was told; the file keeps its last state, whose age tells the rest
        except Exception as error:  # noqa: BLE001 - a run never fails for its watcher's sake
            told = error.strerror if isinstance(error, OSError) else type(error).__name__
            LOG.complain(f"metrics.textfile: {self._textfile}: cannot be written: {told}")
