"""The systemd units of the README are what they seem: accepted by systemd, and running what the crontab runs."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.test_crontab import ENTRIES, INSTALLED
from tests.test_readme import fences, section


def shown() -> dict[str, str]:
    """Return {file name: text} of the units, in the README's order."""
    found: dict[str, str] = {}
    for fence in fences(section("systemd")):
        if fence.language == "ini":
            found[re.findall(r"`/etc/systemd/system/([\w.]+)`", fence.before)[-1]] = fence.body
    return found


UNITS = shown()


def parsed(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's keys are told apart by case
    parser.read_string(UNITS[name])
    return parser


def test_there_are_a_service_and_its_timer() -> None:
    assert list(UNITS) == ["cartctl.service", "cartctl.timer"]


def test_the_timer_is_the_crontabs_first_line() -> None:
    schedule, command = ENTRIES[0].schedule, ENTRIES[0].command
    timer, service = parsed("cartctl.timer")["Timer"], parsed("cartctl.service")["Service"]
    assert (schedule, timer["OnCalendar"]) == ("*/5 * * * *", "*:0/5")
    assert timer["Persistent"] == "false"
    assert f"cd {service['WorkingDirectory']} && out=$(" in command
    assert service["ExecStart"] == f"{INSTALLED}/.venv/bin/cartctl run-due"
    assert ".venv/bin/cartctl run-due" in command
    assert service["SuccessExitStatus"] == "75", "another run at work is no failure"
    assert service["ReadWritePaths"] == INSTALLED


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_accepts_them(tmp_path: Path) -> None:
    program = tmp_path / ".venv" / "bin" / "cartctl"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    for name, text in UNITS.items():
        (tmp_path / name).write_text(text.replace(INSTALLED, str(tmp_path)), encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", *(tmp_path / name for name in UNITS)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert str(tmp_path) not in done.stderr, "it complains of our units"
