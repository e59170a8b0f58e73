"""Work in a child process that may use so much of processor, memory and output, and no more.

For what nobody can vouch for: templates that were just edited. The child is a copy of this process (fork). What it
finds comes back through a pipe, a line of JSON each; whatever else becomes of it, this process goes on.
"""

import json
import os
import resource
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MEGABYTE = 1_000_000
_NO_MEMORY = 3
_KILLED_FOR_TIME = (signal.SIGXCPU, signal.SIGKILL)
_STATM = Path("/proc/self/statm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the child may use: memory beside what this process has already, output as it stands in the pipe."""

    cpu_seconds: int = 30
    memory: int = 512 * MEGABYTE
    output: int = 4 * MEGABYTE


@dataclass(frozen=True, slots=True)
class Ended:
    """What the work found until it ended. `broken_off`: why it did so early; "": it did not."""

    found: list[Any]
    broken_off: str = ""


def run(work: Callable[[], Iterable[Any]], limits: Limits) -> Ended:
    """Do the work in a child and return what it yields, which must be fit for JSON."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _be_the_child(work, limits, writing)
    os.close(writing)
    output = bytearray()
    with os.fdopen(reading, "rb", buffering=0) as stream:
        while len(output) <= limits.output and (piece := stream.read(65536)):
            output += piece
    if len(output) > limits.output:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    lines = bytes(output[: limits.output]).split(b"\n")[:-1]  # behind the last line's end: what was cut off
    if len(output) > limits.output:
        return Ended([json.loads(line) for line in lines], f"writes more than {limits.output // MEGABYTE} MB")
    return Ended([json.loads(line) for line in lines], _why(os.waitstatus_to_exitcode(status), limits))


def _be_the_child(work: Callable[[], Iterable[Any]], limits: Limits, writing: int) -> None:
    """Work, and end without anything that this process would do at its end: it is its parent's to do."""
    code = 1
    try:
        _limit(limits)
        for stream_number in (1, 2):  # compiled code has its own last words, which nobody should take for ours
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream_number)
        with os.fdopen(writing, "w", buffering=1) as stream:  # each line at once: the next may be the last
            stream.writelines(f"{json.dumps(found)}\n" for found in work())
        code = 0
    except MemoryError:
        code = _NO_MEMORY
    finally:
        os._exit(code)


def _limit(limits: Limits) -> None:
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_CPU, limits.cpu_seconds)
    if _STATM.exists():  # elsewhere nobody tells what is in use, and such a limit may not be heeded
        in_use = int(_STATM.read_text().split()[0]) * resource.getpagesize()
        _lower(resource.RLIMIT_AS, in_use + limits.memory)


def _lower(what: int, limit: int) -> None:
    """Set a limit, unless a lower one is set already."""
    _, highest = resource.getrlimit(what)
    limit = limit if highest == resource.RLIM_INFINITY else min(limit, highest)
    resource.setrlimit(what, (limit, limit))


def _why(exit_code: int, limits: Limits) -> str:
    if exit_code == 0:
        return ""
    if -exit_code in _KILLED_FOR_TIME:
        return f"takes more than {limits.cpu_seconds} s of the processor"
    if exit_code in (_NO_MEMORY, -signal.SIGABRT):  # compiled code ends so when it gets no memory
        return f"takes more than {limits.memory // MEGABYTE} MB of memory"
    return f"ends the process that renders it (exit code {exit_code})"
