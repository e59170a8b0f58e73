"""Which part of cartctl may know which: read from the imports and calls themselves, not from intentions."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "cartctl"
MAY_IMPORT = {
    "errors": set[str](),
    "suggest": set[str](),
    "resources": set[str](),
    "domain": {"errors", "suggest"},
    "values": {"domain"},
    "settings": {"domain", "values"},
    "config": {"domain", "errors", "settings", "suggest", "values"},
    "importers": {"domain", "errors", "suggest"},
    "store": {"domain", "errors", "resources", "suggest"},
    "mail": {"domain", "errors", "resources", "suggest"},
    "notion": {"domain", "errors", "suggest"},
    "jobs": {"domain", "importers", "store", "mail", "notion", "errors", "resources", "suggest"},
    "wiring": {
        *("domain", "importers", "store", "mail", "notion", "jobs"),
        *("config", "settings", "errors", "resources"),
    },
    "cli": {
        *("domain", "importers", "store", "mail", "notion", "jobs", "web"),
        *("config", "settings", "errors", "resources", "suggest", "version", "wiring"),
    },
    "web": {
        *("domain", "importers", "store", "mail", "notion", "jobs"),
        *("config", "settings", "errors", "resources", "suggest", "version", "wiring"),
    },
    "__init__": set[str](),
    "__main__": {"cli"},
}
"""domain <- importers, store, mail, notion <- jobs <- wiring <- cli, web; the rest are leaves. `version` is what
cartctl/__init__.py holds; `wiring` builds for cli and web what the jobs are handed."""
ONLY_IN = {
    "pandas": {"cli/charts.py", "jobs/report/"},
    "matplotlib": {"cli/charts.py"},
    "sendgrid": {"mail/sendgrid.py", "web/signatures.py"},
    "mjml": {"mail/mjml.py"},
    "jinja2": {"mail/expressions.py", "mail/mjml.py", "mail/pages.py", "mail/render.py"},
    "babel": {"mail/languages.py", "mail/render.py"},
    "itsdangerous": {"mail/links.py"},
    "idna": {"mail/message.py"},
    "notion_client": {"notion/"},
    "httpx": {"notion/"},
    "email_validator": {"importers/fields.py"},
    "phonenumbers": {"importers/fields.py"},
    "alembic": {"store/schema.py"},
    "filelock": {"cli/"},
    "prometheus_client": {"cli/metrics.py"},
    "dns": {"mail/records.py"},
    "rich": {"cli/"},
    "typer": {"cli/"},
    "fastapi": {"cli/serve.py", "web/"},
    "starlette": {"web/"},
    "uvicorn": {"cli/serve.py", "web/connections.py"},
    "sqlalchemy": {"store/", "jobs/", "web/"},
    "msgspec": {
        "config.py",
        "settings.py",
        "values.py",
        "store/",
        "jobs/",
        "importers/jsonfile.py",
        "importers/rejects.py",
    }
    | {"mail/"},
}
ONLY_CLI_CALLS = {
    *("datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.monotonic"),
    *("os.environ", "os.getenv"),
}
MODULES = sorted(PACKAGE.rglob("*.py"))


def place(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def part_of(path: Path) -> str:
    return place(path).partition("/")[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """Yield every module a file imports, wherever the import stands: `cartctl.store.carts`, `pandas` …"""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written in full"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own(path: Path) -> set[str]:
    """Return the parts of cartctl that a file imports."""
    names = [name.split(".") for name in imports(path) if name.split(".")[0] == "cartctl"]
    return {"version" if name[1] == "__version__" else name[1] for name in names}


def foreign(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)} - {"cartctl"}


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_imports_run_one_way(path: Path) -> None:
    assert own(path) <= MAY_IMPORT[part_of(path)] | {part_of(path)}


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_libraries_stay_where_they_belong(path: Path) -> None:
    misplaced = {
        name
        for name in foreign(path) & ONLY_IN.keys()
        if not any(place(path).startswith(home) for home in ONLY_IN[name])
    }
    assert misplaced == set()


@pytest.mark.parametrize("path", [path for path in MODULES if part_of(path) == "domain"], ids=place)
def test_domain_is_pure(path: Path) -> None:
    assert foreign(path) <= sys.stdlib_module_names - {"io", "os", "pathlib", "random", "secrets", "sqlite3", "time"}


@pytest.mark.parametrize("path", [path for path in MODULES if part_of(path) not in ("cli", "web")], ids=place)
def test_only_the_edges_read_clock_and_environment(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    read = {".".join(name.split(".")[-2:]) for name in [*names, *imports(path)]}
    patience = {"time.monotonic"} if place(path) == "mail/sockets.py" else set()  # how long an answer may take in all
    assert read & ONLY_CLI_CALLS == patience


def test_every_library_of_the_rule_is_used() -> None:
    used = {name for path in MODULES for name in foreign(path)}
    assert used >= ONLY_IN.keys()
