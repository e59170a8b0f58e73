"""How templates of HTML pages are read: those that the web endpoint serves, and the report's."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment


def page_environment(folders: Sequence[Path]) -> SandboxedEnvironment:
    """Return what fills in pages from folders, the first of which wins: sandboxed, escaped, and strict about names."""
    return SandboxedEnvironment(
        loader=FileSystemLoader([str(folder) for folder in folders]),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
