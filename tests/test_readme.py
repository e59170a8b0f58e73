"""The README tells the truth: its commands run as shown, its tables hold what the code holds."""

import email
import email.policy
import io
import os
import re
import shlex
import subprocess
import sysconfig
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from cartctl import config, wiring
from cartctl.cli import main
from cartctl.cli.app import app
from cartctl.domain.brakes import Kind
from cartctl.domain.sequences import Step
from cartctl.domain.times import parse_duration
from cartctl.importers import native_carts, native_orders, registry
from cartctl.importers.csvfile import Header
from cartctl.importers.format import CsvFormat
from cartctl.jobs.samples import sample_carts
from cartctl.resources import shipped_templates
from cartctl.settings import Settings
from cartctl.values import Secret
from tests.importers.examples import EXAMPLES
from tests.mail.builders import template_values
from tests.mail.provider import Authority
from tests.shop import Cli

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Fence:
    """One fenced block, with the text between it and the one before."""

    language: str
    body: str
    before: str

    def named(self, suffix: str) -> str:
        """Return the last path of that kind that the text before names in backticks."""
        return str(re.findall(rf"`([\w/.-]+\.{suffix})`", self.before)[-1])


def section(title: str) -> str:
    """Return the text under a heading, up to the next heading of its level or above."""
    found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^#{{1,2}} |\Z)", README, re.DOTALL | re.MULTILINE)
    assert found, f"README has no section {title}"
    if len(found[1]) == 3:
        return found[2].partition("\n### ")[0]
    return found[2]


def fences(text: str) -> Iterator[Fence]:
    end = 0
    for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        yield Fence(match[1], match[2], text[end : match.start()])
        end = match.end()


def table(title: str, *, header: str) -> list[list[str]]:
    """Return the cells of the table under a heading whose first column is called `header`."""
    lines = section(title).split(f"\n| {header} |", 1)[1].splitlines()[2:]
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


def test_first_code_block_is_the_two_commands_and_nothing_above_names_them() -> None:
    first = next(fences(README))
    assert first.body.splitlines() == [
        "python3 -m venv .venv && .venv/bin/pip install -q -e . && .venv/bin/cartctl demo",
        "python3 -m venv .venv && .venv/bin/pip install -q -e '.[dev]' && .venv/bin/pytest",
    ]
    assert not re.search(r"`|\b(pip|venv|pytest|demo)\b", first.before)


def test_ci_takes_the_test_command_from_the_readme() -> None:
    script = ROOT / ".ci" / "run"
    if not script.exists():
        pytest.skip("a source distribution has no .ci/run")
    assert os.access(script, os.X_OK)
    text = script.read_text(encoding="utf-8")
    assert "pip install" not in text
    line = next(line for line in text.splitlines() if line.startswith("tests="))
    found = subprocess.run(["bash", "-c", f"{line}; echo $tests"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == next(fences(README)).body.splitlines()[1]


def test_the_tour_and_the_json_section_print_what_the_readme_shows(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = README
    told = ("A five-minute tour", "JSON", "Doctor", "Seen from outside")
    for fence in [fence for title in told for fence in fences(section(title))]:
        if fence.language == "csv":
            (tmp_path / fence.named("csv")).write_text(fence.body, encoding="utf-8")
        elif fence.language == "toml":
            with (tmp_path / "cartctl.toml").open("a", encoding="utf-8") as stream:
                stream.write("\n" + fence.body)
        elif fence.language == "console":
            text = text.replace(fence.body, "".join(transcript(fence.body, tmp_path)))
    assert text.count("\n$ cartctl ") >= 12
    if request.config.getoption("--golden"):
        (ROOT / "README.md").write_text(text, encoding="utf-8")
    else:
        assert text.splitlines() == README.splitlines()


def test_the_pictures_are_those_of_the_shipped_sequences(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    shown = list(fences(section("The picture of a sequence")))
    commands = re.findall(r"`(cartctl sequences graph \S+ --format mermaid)`", section("The picture of a sequence"))
    drawn = ["".join(transcript(shown[0].body, tmp_path))]
    drawn += ["\n".join([*printed(command, tmp_path), ""]) for command in commands]
    assert [fence.language for fence in shown] == ["console", "mermaid", "mermaid"]
    if request.config.getoption("--golden"):
        text = (ROOT / "README.md").read_text(encoding="utf-8")  # the tour may have written it anew
        for fence, picture in zip(shown, drawn, strict=True):
            text = text.replace(
                f"{fence.before}```{fence.language}\n{fence.body}", f"{fence.before}```{fence.language}\n{picture}"
            )
        (ROOT / "README.md").write_text(text, encoding="utf-8")
    else:
        assert [fence.body for fence in shown] == drawn


@pytest.fixture
def resend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HTTPServer]:
    """What stands for Resend; the configuration leads to it."""
    authority = Authority(tmp_path)
    with HTTPServer(ssl_context=authority.server_context, threaded=True) as server:
        answer = Response('{"id": "r-1"}')
        server.expect_request("/emails", method="POST").respond_with_response(answer)
        monkeypatch.setenv("CARTCTL_RESEND__HOST", f"https://localhost:{server.port}")
        monkeypatch.setenv("CARTCTL_RESEND__CA_FILE", str(tmp_path / "ca.pem"))
        yield server


def test_the_guide_leads_from_sign_up_to_the_seventh_mail(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, resend: HTTPServer
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("CARTCTL_SENDING__CONCURRENCY", "1")  # else answers come, and are told, in any order
    text = (ROOT / "README.md").read_text(encoding="utf-8")  # other tests may have written it anew
    before = text
    for fence in fences(section("From sign-up to the seventh mail")):
        if fence.language == "csv":
            (tmp_path / fence.named("csv")).write_text(fence.body, encoding="utf-8")
        elif fence.language == "toml":
            (tmp_path / fence.named("toml")).write_text(fence.body, encoding="utf-8")
        elif fence.language == "console":
            text = text.replace(fence.body, "".join(transcript(fence.body, tmp_path)))
        elif fence.language == "sh":
            for command in fence.body.splitlines():
                if variable := re.fullmatch(r"export (\w+)=(\S+)", command):
                    monkeypatch.setenv(variable[1], variable[2])
                else:
                    assert printed(command, tmp_path) == []
    if request.config.getoption("--golden"):
        (ROOT / "README.md").write_text(text, encoding="utf-8")
    else:
        assert text.splitlines() == before.splitlines()

    letters: dict[str, list[str]] = {}
    for path in sorted((tmp_path / "outbox").iterdir()):
        mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        letters.setdefault(str(mail["To"]), []).append(str(mail["Subject"]))
    assert [len(letters[f"{name}@example.com"]) for name in ("anna", "bela", "cleo", "jo")] == [7, 2, 7, 2 + 7]
    assert letters["anna@example.com"][1::5] == ["Which of your 2 reds comes first", "Before you close for the year"]
    assert letters["bela@example.com"][1] == "The one answer I would look at first"
    assert letters["cleo@example.com"][1::5] == ["Nothing is on fire. What now?", "My last piece of advice: do nothing"]
    assert len(resend.log) == 4, "each of them by Resend, in earnest"


def transcript(body: str, folder: Path) -> Iterator[str]:
    """Run each command of a console block; yield the command and what it prints now."""
    assert body.startswith("$ ")
    for part in body.removeprefix("$ ").split("\n$ "):
        command = part.partition("\n")[0]
        yield "\n".join([f"$ {command}", *printed(command, folder), ""])


def printed(command: str, folder: Path) -> list[str]:
    """Run a command as somebody would type it; return what it prints, without spaces at the ends of lines.

    A plain `cartctl …` runs in this process; whatever wants a shell gets one, and `cartctl` from the PATH.
    """
    if command.startswith("cartctl ") and not re.search(r"[|&;<>$`*]", command):
        both = io.StringIO()
        with redirect_stdout(both), redirect_stderr(both), pytest.raises(SystemExit) as end:
            main(shlex.split(command)[1:])
        assert not end.value.code, (command, both.getvalue())
        return [line.rstrip() for line in both.getvalue().splitlines()]
    scripts = sysconfig.get_path("scripts")
    environment = os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, (command, done.stdout)
    return [line.rstrip() for line in done.stdout.splitlines()]


def known_commands() -> set[str]:
    commands = {command.name for command in app.registered_commands} | {group.name for group in app.registered_groups}
    return {str(name) for name in commands}


def shown_commands() -> list[str]:
    """Return every cartctl command of the README, from code blocks and from the text, without its program name."""
    lines = [line.removeprefix("$ ") for fence in fences(README) for line in fence.body.splitlines()]
    lines = [part.strip() for line in lines for part in re.split(r"&&|\|\||[()|]", line)]
    prose = re.sub(r"^```.*?^```$", "", README, flags=re.DOTALL | re.MULTILINE).replace("\n", " ")
    lines += re.findall(r"`([^`]+)`", prose)
    lines += [
        f"cartctl {span}"
        for span in re.findall(r"`([a-z][^`]*)`", section("Living with cartctl"))
        if span.split(" ")[0] in known_commands()
    ]
    found = [re.match(r"(?:out=\$\()?(?:\.venv/bin/)?cartctl ([a-z-].*)", line) for line in lines]
    return sorted({match[1].partition(" 2>")[0].partition(" >")[0] for match in found if match})


def test_the_readme_shows_many_commands() -> None:
    assert {"demo", "init", "run-due --dry-run", "db upgrade", "report --since 30d"} <= set(shown_commands())


@pytest.mark.parametrize("command", shown_commands())
def test_every_command_shown_parses(command: str, cli: Cli) -> None:
    """Options, commands and their order are checked before the help is shown; values and files are not."""
    assert "Usage: cartctl" in cli(*shlex.split(command), "--help").out


def test_configuration_reference_lists_every_key_with_its_default() -> None:
    documented = {row[0].strip("`"): row[1] for row in table("Configuration", header="key")}
    actual = dict(keys_and_defaults(Settings, Settings()))
    assert documented.keys() == actual.keys()
    for key, cell in documented.items():
        shown = None if cell == "none" else tomllib.loads(f"value = {cell.strip('`')}")["value"]
        if isinstance(actual[key], timedelta):
            shown = parse_duration(str(shown))
        assert shown == actual[key], key


def keys_and_defaults(kind: Any, values: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Walk the settings: every key that a file may hold, as `table.key`, and what it is when it is not there."""
    for field in msgspec.structs.fields(kind):
        key, value = f"{prefix}{field.encode_name}", getattr(values, field.name)
        if isinstance(value, msgspec.Struct):
            yield from keys_and_defaults(type(value), value, f"{key}.")
        elif typing.get_origin(field.type) is dict:
            inner = typing.get_args(field.type)[1]
            if not (isinstance(inner, type) and issubclass(inner, msgspec.Struct)):
                yield f"{key}.NAME", None
            else:
                yield from keys_and_defaults(inner, inner(), f"{key}.NAME.")
        elif isinstance(value, Secret):
            yield key, value.reveal() or None
        else:
            yield key, list(value) if isinstance(value, tuple) else value


def test_the_variables_are_those_that_are_read() -> None:
    rows = table("Configuration", header="variable")
    documented = {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row[0])}
    assert documented == {
        *config.COMMON_VARIABLES,
        *("CARTCTL_KEY", "CARTCTL_TABLE__KEY", "CARTCTL_CONFIG", "CARTCTL_SECRET_KEYS"),
    }
    text = " ".join(cell for row in rows for cell in row)
    examples = dict(re.findall(r"`(CARTCTL_[A-Z_]+)=([^`]+)`", text))
    environment = {name: shlex.split(value)[0] for name, value in examples.items()}
    settings = load(environment).settings
    assert len(examples) == 3
    assert settings.sending.cap == 3
    assert settings.purchase.not_purchases == ("failed",)


def test_a_cartctl_variable_wins_over_the_two_common_ones() -> None:
    loaded = load({"DATABASE_URL": "sqlite:///a.db", "CARTCTL_DATABASE": "sqlite:///b.db"})
    assert loaded.settings.database.reveal() == "sqlite:///b.db"


def load(environment: Mapping[str, str], file: Path | None = None) -> config.Loaded:
    return config.load(file=file, environment=environment, folder=Path())


def test_the_example_configuration_may_deliver(tmp_path: Path) -> None:
    (example,) = (fence for fence in fences(section("Configuration")) if fence.language == "toml")
    path = tmp_path / "example.toml"
    path.write_text(example.body, encoding="utf-8")
    loaded = load({"SENDGRID_API_KEY": "a key"}, path)
    wiring.check_sending(loaded)
    assert wiring.delivers(loaded.settings)


def test_the_table_of_formats_is_the_registry() -> None:
    shown = {row[0].strip("`"): row[1:] for row in table("Formats", header="format")}
    assert shown.keys() == {format_.name for format_ in registry.formats()}
    for format_ in registry.formats():
        command, recognised_by, needs, lacks = (cell.replace("\\", "") for cell in shown[format_.name])
        assert command == f"`import {format_.kind}`"
        assert needs == format_.needs + ("; a time zone" if format_.never_has_offset else "")
        assert lacks
        named = re.findall(r"`([^`]+)`", recognised_by)
        if isinstance(format_, CsvFormat):
            assert format_.recognise(Header(Path("x.csv"), tuple(named))), format_.name
            fewer = [tuple(column for column in named if column != left_out) for left_out in named]
            assert not any(format_.recognise(Header(Path("x.csv"), columns)) for columns in fewer), format_.name
        else:
            assert all(f'"{name}"'.encode() in EXAMPLES[format_.name][1] for name in named), format_.name


@pytest.mark.parametrize(("title", "module"), [("Carts CSV", native_carts), ("Orders CSV", native_orders)])
def test_every_native_column_is_documented(title: str, module: types.ModuleType) -> None:
    rows = table(title, header="column")
    documented = {row[0].strip("`"): row[1] for row in rows}
    expected = dict.fromkeys(module.REQUIRED, "required") | dict.fromkeys(module.OPTIONAL, "optional")
    assert documented == expected
    assert all(len(row) == 3 and row[2] for row in rows)


def test_the_crontab_shown_is_the_example_file() -> None:
    (shown,) = (fence for fence in fences(section("Cron")) if fence.language == "crontab")
    lines = (ROOT / "crontab.example").read_text(encoding="utf-8").splitlines()
    assert shown.body.splitlines() == [line for line in lines if line and not line.startswith("#")]


def test_the_reasons_shown_are_those_of_the_gate() -> None:
    text = "".join((ROOT / "cartctl" / "domain" / name).read_text("utf-8") for name in ("decide.py", "messages.py"))
    plain = "gap|cap|purchased|booked|suppressed|expired|reactivated|superseded"
    words = set(re.findall(rf'"([a-z]+(?:-[a-z]+)+|{plain})"', text))
    shown = {word for row in table("How it decides", header="outcome") for word in re.findall(r"`([^`]+)`", row[1])}
    held = {f"held-{kind}" for kind in Kind if kind.holds}
    assert shown == words - {"opt-in"} | held  # the name of a setting


def test_the_new_step_of_the_readme_renders(tmp_path: Path, cli: Cli) -> None:
    own = tmp_path / "templates" / "cart-recovery"
    own.mkdir(parents=True)
    shipped = (shipped_templates() / "cart-recovery" / "sequence.toml").read_text(encoding="utf-8")
    settings = 'templates = "templates"\n'
    for fence in fences(section("Editing the mails")):
        if fence.body.startswith("[stores"):
            settings += fence.body
        elif fence.language == "toml":
            (own / "sequence.toml").write_text(f"{shipped}\n{fence.body}", encoding="utf-8")
        elif fence.language in ("mjml", "text"):
            (tmp_path / fence.named("mjml" if fence.language == "mjml" else "txt")).write_text(fence.body, "utf-8")
    (tmp_path / "cartctl.toml").write_text(settings, encoding="utf-8")
    result = cli("sequences", "check", "--json").json
    assert (result["steps"], result["problems"]) == (11, [])


def test_every_key_of_a_step_is_documented() -> None:
    documented = {row[0].strip("`"): row[1] for row in table("Editing the mails", header="key")}
    assert documented.keys() == set(Step.__slots__)
    required = {key for key, needed in documented.items() if needed == "required"}
    assert required == {"key", "after", "subject"}


def test_every_name_in_a_template_is_documented() -> None:
    values = template_values(sample_carts(coupon="SAMPLE10")["usual"])
    rows = {row[0].strip("`"): row[1] for row in table("Editing the mails", header="name")}
    assert rows.keys() == values.keys()
    assert set(re.findall(r"`([^`]+)`", rows["items"])) == values["items"][0].keys()


def test_every_path_of_the_map_exists() -> None:
    paths = re.findall(r"`((?:cartctl|templates|sql|tests)/[\w/.-]*)`", section("Where things live"))
    assert len(paths) > 15
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_map_shows_every_folder_of_the_code() -> None:
    shown = {row[0].strip("`") for row in table("Where things live", header="path")}
    packages = {f"cartctl/{path.parent.name}/" for path in (ROOT / "cartctl").glob("*/__init__.py")}
    assert packages <= shown


def test_the_contents_name_every_section() -> None:
    contents = re.findall(r"\[([^]]+)\]\(#([a-z-]+)\)", README.partition("\n## ")[0])
    headings = re.findall(r"^## (.+)$", README, re.MULTILINE)
    assert [title for title, _ in contents] == headings
    assert [anchor for _, anchor in contents] == [heading.lower().replace(" ", "-") for heading in headings]
