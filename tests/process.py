"""`cartctl …` as a process of its own, that can be stopped and really dies, without Python's start: a second of work.

A server that has imported the program and does nothing else forks once for each. What is forked has its own folder,
environment and output, opens its own databases, and shares nothing with the process of the tests.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from functools import cache
from pathlib import Path

_PRELOADED = (
    *("cartctl.cli.app", "cartctl.cli.tick", "cartctl.jobs.run_due", "cartctl.jobs.inbox", "cartctl.mail.sendgrid"),
    *("sqlalchemy.dialects.sqlite", "psycopg", "pandas"),
)


class Process:
    """One command, with as much of `subprocess.Popen` as the tests need; its output goes to files."""

    def __init__(self, *arguments: str, folder: Path, failpoint: str = "", session: bool = False) -> None:
        """Start it. It dies at the failpoint; with `session` it leads a session of its own."""
        self.returncode: int | None = None
        self._lock = threading.Lock()
        mine, theirs = socket.socketpair()
        self._ended = mine.detach()
        self._out, self._errors = _file(), _file()
        for file in (self._ended, self._out, self._errors):
            weakref.finalize(self, os.close, file)
        environment = dict(os.environ) | ({"CARTCTL_TEST_FAILPOINT": failpoint} if failpoint else {})
        told = _file()
        os.write(told, json.dumps([str(folder), session, environment, arguments]).encode())
        with theirs:
            socket.send_fds(_server(), [b"!"], [theirs.fileno(), told, self._out, self._errors])
        os.close(told)
        self.pid = int(os.read(self._ended, 20))

    def poll(self) -> int | None:
        """Return the exit code, negative that of a signal, or None while it runs."""
        with self._lock:
            if self.returncode is None and select.select([self._ended], [], [], 0)[0]:
                self.returncode = int(os.read(self._ended, 20))
        return self.returncode

    def wait(self, timeout: float = 120) -> int:
        """Return the exit code. Raises TimeoutError."""
        if self.returncode is None:
            select.select([self._ended], [], [], timeout)  # once it has ended there is always something to read
        code = self.poll()
        if code is None:
            raise TimeoutError(f"process {self.pid} has not ended within {timeout} seconds")
        return code

    def communicate(self, timeout: float = 120) -> tuple[str, str]:
        """Wait; return what it printed, and what it complained of."""
        self.wait(timeout)
        out, errors = (_read(file) for file in (self._out, self._errors))
        return out, errors

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def _file() -> int:
    """Return a file that has no name."""
    file, name = tempfile.mkstemp()
    Path(name).unlink()
    return file


def _read(file: int) -> str:
    return os.pread(file, os.fstat(file).st_size, 0).decode()


@cache
def _server() -> socket.socket:
    """Start the server of this process of the tests, which ends when nobody holds the other end any more."""
    mine, theirs = socket.socketpair()
    command = [sys.executable, "-m", "tests.process", str(theirs.fileno())]
    root = Path(__file__).parent.parent
    server = subprocess.Popen(
        command, cwd=root, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, start_new_session=True
    )
    theirs.close()
    atexit.register(server.wait)
    atexit.register(mine.close)
    return mine


def _serve(server: socket.socket) -> None:
    for name in _PRELOADED:
        importlib.import_module(name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that wait for the commands
    while True:
        _, files, _, _ = socket.recv_fds(server, 1, 4)
        if not files:
            return
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _watch(files)
        for file in files:
            os.close(file)


def _watch(files: list[int]) -> None:
    """Fork once more for the command; tell its number, wait for its end, and tell of that."""
    told = socket.socket(fileno=files[0])
    pid = os.fork()
    if pid == 0:
        _run(files)
    told.sendall(str(pid).encode())
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(BrokenPipeError):
        told.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _run(files: list[int]) -> None:
    folder, session, environment, arguments = json.loads(_read(files[1]))
    os.dup2(files[2], 1)
    os.dup2(files[3], 2)
    os.closerange(3, 256)
    if session:
        os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background of a shell
    from cartctl.cli import main

    main(arguments)
    sys.exit(0)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
