"""Small files, written line by line."""

from pathlib import Path


def native(*columns: str, header: str = "cart_id,updated_at,email", name: str = "carts.csv") -> Path:
    """Write a file from lines; the header has the columns of carts."""
    path = Path(name)
    path.write_text("\n".join([header, *columns, ""]), encoding="utf-8")
    return path


GOOD = "c-1,2026-03-02T10:00:00Z,anna@example.com"
BAD = "c-2,2026-03-02T10:00:00Z,bea(at)example.com"
