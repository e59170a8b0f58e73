"""The wheel: it carries templates, schema and queries, and with nothing but what it declares it runs the demo."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent


def run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command without anything that this process says about Python."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = ("-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, ROOT)
    done = run(sys.executable, *build, folder=folder)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("cartctl-*.whl")
    return path


def test_wheel_carries_everything_that_is_read_at_run_time(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for source in ("templates", "sql"):
        files = [path.relative_to(ROOT) for path in (ROOT / source).rglob("*") if path.is_file()]
        wanted = {f"cartctl/_data/{path.as_posix()}" for path in files if "__pycache__" not in path.parts}
        assert wanted <= names
    assert "cartctl/_data/templates/cart-recovery/sequence.toml" in names
    assert "cartctl/_data/sql/migrations/versions/0001_initial.py" in names
    assert "cartctl/_data/sql/reports/abandoned.sql" in names
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_wheel_carries_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    roots = {name.partition("/")[0] for name in names}
    assert {root.partition("-")[0] for root in roots} == {"cartctl"}
    assert [name for name in names if "tests" in name.split("/") or "__pycache__" in name] == []


def needed(requirements: Iterable[str], extras: Iterable[str] = ("",)) -> dict[str, Distribution]:
    """Return what these requirements come to, with the requirements of each, of what these tests run with."""
    found: dict[str, Distribution] = {}
    for requirement in map(Requirement, requirements):
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras):
            installed = distribution(requirement.name)
            found |= {requirement.name: installed} | needed(installed.requires or (), requirement.extras or ("",))
    return found


def test_wheel_in_a_clean_venv_runs_the_demo(wheel: Path, tmp_path: Path) -> None:
    """The venv borrows what the wheel declares, and that alone, from the one that runs these tests."""
    venv = tmp_path / "venv"
    assert run(sys.executable, "-m", "venv", "--without-pip", venv, folder=tmp_path).returncode == 0
    scripts = venv / ("Scripts" if os.name == "nt" else "bin")
    pip = (sys.executable, "-m", "pip", "--python", venv)
    installed = run(*pip, "install", "-q", "--no-deps", "--no-index", "--no-compile", wheel, folder=tmp_path)
    assert installed.returncode == 0, installed.stderr
    (packages,) = venv.glob("[lL]ib/**/site-packages")
    (metadata,) = packages.glob("cartctl-*.dist-info")
    declared = Distribution.at(metadata).requires or ()
    assert run(*pip, "check", folder=tmp_path).returncode == 1, "nothing that it declares is there yet"
    for one in needed(declared).values():
        for name in {file.parts[0] for file in one.files or ()} - {"..", "__pycache__"}:
            if not (packages / name).exists():
                (packages / name).symlink_to(str(one.locate_file(name)))
    checked = run(*pip, "check", folder=tmp_path)
    assert checked.returncode == 0, checked.stdout
    demo = run(scripts / "cartctl", "demo", folder=tmp_path)
    assert (demo.returncode, demo.stderr) == (0, "")
    assert len(list((tmp_path / "cartctl-demo" / "outbox").glob("*.eml"))) == 10
    for line in ("4 enrolled, 4 sent", "0 enrolled, 3 sent", "1 enrolled, 3 sent", "late orders: 1"):
        assert line in demo.stdout
    where = run(scripts / "python", "-c", "import cartctl; print(cartctl.__file__)", folder=tmp_path)
    assert str(venv) in where.stdout


def dependency_lines() -> list[str]:
    """Return the lines of pyproject.toml that name a package, from every list of dependencies."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lists = re.findall(r"^(?:dependencies|postgres|dev|[a-z]+) = \[\n(.*?)^\]", text, re.DOTALL | re.MULTILINE)
    return [line.strip() for block in lists for line in block.splitlines() if line.strip().startswith('"')]


def test_every_dependency_says_what_it_is_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    lines = [line for line in dependency_lines() if line.split('"')[1] in declared]
    assert len(lines) == len(declared)
    assert [line for line in lines if not re.search(r'",\s*# \w', line)] == []


def test_dev_includes_every_other_extra() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert {f"cartctl[{name}]" for name in extras if name != "dev"} <= set(extras["dev"])
