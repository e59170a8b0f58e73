"""Where templates/ and sql/ are. Nothing else in cartctl knows these paths.

A wheel carries them under cartctl/_data/; a checkout (an editable install) has them beside the package.
"""

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


@cache
def _data() -> Path:
    packed = _PACKAGE / "_data"
    return packed if packed.is_dir() else _PACKAGE.parent


def shipped_templates() -> Path:
    """Return the folder of the templates that come with cartctl."""
    return _data() / "templates"


def migrations() -> Path:
    """Return Alembic's script folder."""
    return _data() / "sql" / "migrations"


def report_query(name: str) -> str:
    """Return the text of sql/reports/NAME.sql."""
    return (_data() / "sql" / "reports" / f"{name}.sql").read_text(encoding="utf-8")
