"""An idle tick loads nothing that it does not use."""

import subprocess
import sys
from pathlib import Path

HEAVY = (
    *("pandas", "alembic", "jinja2", "mjml", "babel", "sendgrid", "urllib3", "rich", "phonenumbers", "email_validator"),
    *("itsdangerous", "typer", "pydantic", "sqlalchemy.dialects.postgresql", "concurrent.futures.thread"),
    *("prometheus_client", "dns", "urllib.request", "matplotlib"),
)
PROGRAM = """
import sys
from cartctl.cli import main
try:
    main(["run-due"])
except SystemExit as end:
    assert not end.code, end.code
print(" ".join(name for name in sys.argv[1:] if name in sys.modules))
"""


def test_an_idle_tick_loads_nothing_heavy(tmp_path: Path) -> None:
    for _tick in ("the first, which makes the database", "the second"):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *HEAVY], cwd=tmp_path, capture_output=True, text=True, check=True
        )
    assert done.stdout.split() == []
