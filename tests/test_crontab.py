"""crontab.example is what it seems: lines that cron accepts and that run, silent where cron should not mail."""

import os
import re
import shlex
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from tests.shop import Cli, cart, order, write_csv

EXAMPLE = Path(__file__).parent.parent / "crontab.example"
INSTALLED = "/srv/cartctl"
"""The folder that the file invents; a test puts its own in its place."""

_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_NICKNAMES = ("@reboot", "@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_VARIABLE = re.compile(r"([A-Za-z_]\w*)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\"'\s][^\"']*))")


class CrontabError(ValueError):
    """A line that cron would refuse, or would not run as it reads."""


@dataclass(frozen=True)
class Entry:
    """One line of work."""

    schedule: str
    command: str


def parse(text: str) -> tuple[dict[str, str], list[Entry]]:
    """Read a crontab as strictly as cron does, and more so. Raises CrontabError."""
    if not text.endswith("\n"):
        raise CrontabError("cron ignores a last line without its end")
    variables: dict[str, str] = {}
    entries: list[Entry] = []
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if match := _VARIABLE.fullmatch(line):
            variables[match[1]] = next(value for value in match.groups()[1:] if value is not None)
        else:
            entries.append(entry(line))
    return variables, entries


def entry(line: str) -> Entry:
    count = 1 if line.startswith("@") else 5
    words = line.split(maxsplit=count)
    if len(words) <= count:
        raise CrontabError(f"no command: {line}")
    *fields, command = words
    if count == 1 and fields[0] not in _NICKNAMES:
        raise CrontabError(f"no such time: {fields[0]}")
    if count == 5:
        for field, (low, high) in zip(fields, _RANGES, strict=True):
            check_field(field, low, high)
    if re.search(r"(?<!\\)%", command):
        raise CrontabError(f"cron ends the command at the %: {line}")
    return Entry(" ".join(fields), command)


def check_field(field: str, low: int, high: int) -> None:
    for part in field.split(","):
        match = re.fullmatch(r"(\*|\d+(?:-(\d+))?)(?:/(\d+))?", part)
        if not match:
            raise CrontabError(f"no field of a time: {field}")
        bounds = [int(number) for number in re.findall(r"\d+", match[1])]
        if any(not low <= number <= high for number in bounds) or bounds != sorted(bounds) or match[3] == "0":
            raise CrontabError(f"out of range: {field}")


TEXT = EXAMPLE.read_text(encoding="utf-8")
VARIABLES, ENTRIES = parse(TEXT)


def alternatives() -> Iterator[Entry]:
    """Yield the lines that are commented out, to be used in the place of another."""
    for line in TEXT.splitlines():
        if re.match(r"# [*\d]\S* [*\d]\S* ", line):
            yield entry(line.removeprefix("# "))


def named(words: str) -> Entry:
    (found,) = (entry for entry in ENTRIES if f"cartctl {words}" in entry.command)
    return found


@pytest.fixture
def folder(tmp_path: Path, cli: Cli, sqlite_template: Path) -> Path:
    """The folder that the lines go into, as an operator has it."""
    shutil.copy(sqlite_template, tmp_path / "cartctl.db")
    scripts = tmp_path / ".venv" / "bin"
    scripts.mkdir(parents=True)
    (scripts / "cartctl").symlink_to(Path(sysconfig.get_path("scripts")) / "cartctl")
    (tmp_path / "exports").mkdir()
    (tmp_path / "inbox").mkdir()
    write_csv(tmp_path / "exports" / "carts.csv", cart())
    write_csv(tmp_path / "exports" / "orders.csv", order(cart_id="c-1"))
    cli("init")
    return tmp_path


def as_cron_runs(entry: Entry, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line with cron's shell, from another folder, in cron's bare environment."""
    environment = {"HOME": str(folder), "LOGNAME": "nobody", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"} | VARIABLES
    command = entry.command.replace(INSTALLED, shlex.quote(str(folder))).replace(r"\%", "%")
    return subprocess.run(
        ["/bin/sh", "-c", command], cwd="/", env=environment, capture_output=True, text=True, check=False
    )


def in_every_shop() -> list[Entry]:
    return [line for line in (*ENTRIES, *alternatives()) if "cartctl notion" not in line.command]


def test_every_line_runs_and_does_its_work_and_only_the_report_prints(folder: Path) -> None:
    printed: dict[str, str] = {}
    for line in in_every_shop():
        done = as_cron_runs(line, folder)
        assert (done.returncode, done.stderr) == (0, ""), line
        printed |= {line.command: done.stdout} if done.stdout else {}
    ((command, report),) = printed.items()
    assert command == named("report").command
    assert "Carts " in report
    assert "carts detected" in (folder / "run-due.log").read_text(encoding="utf-8")
    again = as_cron_runs(named("import carts"), folder)
    assert "already imported" in again.stdout, "cron mails an export that has not changed"
    assert (again.returncode, again.stderr) == (0, "")


def test_there_are_all_the_jobs() -> None:
    assert named("run-due").schedule == "*/5 * * * *"
    assert named("report").schedule.endswith(" 1")
    orders, carts = named("import orders"), named("import carts")
    assert ENTRIES.index(orders) < ENTRIES.index(carts)
    assert [re.sub(r".*/bin/cartctl ", "", line.command) for line in alternatives()] == [
        "run-due -v >> run-due.log",
        "import inbox inbox",
        'notion sync 2>&1); [ $? -eq 75 ] || [ -z "$out" ] || echo "$out"',
        "report --since 8w --until 0w --email marketing@example.com",
    ]


def test_cron_mails_what_the_mirror_in_notion_lacks(folder: Path) -> None:
    (line,) = (line for line in alternatives() if "cartctl notion" in line.command)
    assert "[notion.contacts]" in as_cron_runs(line, folder).stdout


def test_run_due_keeps_quiet_while_another_run_is_at_work(folder: Path) -> None:
    with FileLock(folder / "cartctl.db.lock"):
        plain = as_cron_runs(next(alternatives()), folder)
        quiet = as_cron_runs(named("run-due"), folder)
    assert (plain.returncode, "another run is at work" in plain.stderr) == (75, True)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


@pytest.mark.parametrize("entry", [named("run-due"), *alternatives()], ids=lambda entry: entry.command[-50:])
def test_cron_mails_a_failure_of_run_due(entry: Entry, folder: Path) -> None:
    (folder / "cartctl.toml").write_text('transprot = "outbox"\n', encoding="utf-8")
    done = as_cron_runs(entry, folder)
    assert 'did you mean "transport"' in done.stdout + done.stderr


def test_cron_mails_rejected_rows(folder: Path) -> None:
    write_csv(folder / "exports" / "orders.csv", order(email="nobody"))
    done = as_cron_runs(named("import orders"), folder)
    assert done.returncode == 1
    assert "1 of 1 rows rejected" in done.stderr
    assert (folder / "orders.rejects.csv").exists()


def test_every_line_goes_into_the_folder_and_names_the_program_by_its_path() -> None:
    for line in [*ENTRIES, *alternatives()]:
        assert line.command.startswith(f"cd {INSTALLED} && ")
        assert re.search(r"(?:\$\(| )\.venv/bin/cartctl ", line.command)


def test_mail_goes_to_an_invented_address_in_utf_8() -> None:
    assert VARIABLES == {"MAILTO": "ops@example.com", "CONTENT_TYPE": "text/plain; charset=UTF-8"}


@pytest.mark.parametrize(
    "line",
    [
        *("* * * * echo", "61 * * * * echo", "* 24 * * * echo", "* * 0 * * echo", "* * * 13 * echo", "* * * * 8 echo"),
        *("*/0 * * * * echo", "30-10 * * * * echo", "5/ * * * * echo", "@often echo", "@daily", "* * * * *"),
        *("0 0 * * * date +%F", 'MAILTO="ops@example.com', "no line at all"),
    ],
)
def test_what_cron_would_refuse_is_refused_here(line: str) -> None:
    with pytest.raises(CrontabError):
        parse(f"{line}\n")


@pytest.mark.parametrize("line", ["*/5 1-3,7 * * 1-5 echo", "@daily echo", r"0 0 * * * date +\%F", "0 0 1 1 7 echo"])
def test_what_cron_accepts_is_accepted_here(line: str) -> None:
    assert parse(f"{line}\n")[1]


def test_a_last_line_without_its_end_is_refused() -> None:
    with pytest.raises(CrontabError):
        parse("@daily echo")


def test_the_program_is_there_for_the_lines_to_run() -> None:
    assert os.access(Path(sysconfig.get_path("scripts")) / "cartctl", os.X_OK)
