"""The configuration that `cartctl init` writes: complete, true, and loadable in every state of being uncommented."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from cartctl import config
from cartctl.settings import Settings, Store
from cartctl.values import Secret
from tests.shop import Cli

EXAMPLES = {
    *("from", "postal_address", "base_url", "reply_to", "templates", "sending.quiet_hours"),
    *("sending.rate_per_second", "retention.personal_data", "sendgrid.ca_file", "sendgrid.webhook_key"),
    *("resend.ca_file", "smtp.host", "smtp.port", "smtp.username", "smtp.ca_file"),
    *("metrics.textfile", "healthcheck.url", "doctor.nameserver"),
    *("notion.ca_file", "notion.contacts.database", "notion.contacts.data_source", "notion.contacts.attributes"),
    *("notion.messages.database", "notion.messages.data_source"),
    *("notion.templates.database", "notion.templates.data_source"),
    *("alerts", "test_recipients", "tiktok.app_key", "coupons", "mappings", "stores"),
}
"""What stands in the file as an example. Everything else shows its default."""


def written(cli: Cli, folder: Path) -> Path:
    cli("init")
    return folder / "cartctl.toml"


def uncommented(text: str) -> str:
    """Return the text with every `# key = value` and `# [table]` in force."""
    return re.sub(r"^# (?=\w+ = |\[)", "", text, flags=re.MULTILINE)


def load(path: Path) -> config.Loaded:
    return config.load(file=path, environment={}, folder=path.parent)


def test_it_loads_as_written_and_changes_nothing(cli: Cli, tmp_path: Path) -> None:
    assert as_values(load(written(cli, tmp_path)).settings) == as_values(Settings())


def test_it_mentions_every_key(cli: Cli, tmp_path: Path) -> None:
    data = tomllib.loads(uncommented(written(cli, tmp_path).read_text(encoding="utf-8")))
    assert set(flat(data)) >= {
        name
        for name in as_values(Settings())
        if name not in ("alerts", "coupons", "mappings", "stores", "notion.contacts.attributes")
    } - {
        *("sendgrid.api_key", "resend.api_key", "smtp.password", "tiktok.app_secret"),  # belong into the environment
        *("resend.webhook_secret", "web.report_key", "notion.api_key"),
    }
    assert data["stores"]["main"].keys() == {field.encode_name for field in msgspec.structs.fields(Store)}
    text = (tmp_path / "cartctl.toml").read_text(encoding="utf-8")
    assert {name for name in config.COMMON_VARIABLES if name not in text} == set()


def test_with_every_line_uncommented_it_loads_and_shows_the_defaults(cli: Cli, tmp_path: Path) -> None:
    path = written(cli, tmp_path)
    path.write_text(uncommented(path.read_text(encoding="utf-8")), encoding="utf-8")
    actual, defaults = as_values(load(path).settings), as_values(Settings())
    assert {name for name in defaults if actual[name] != defaults[name]} == EXAMPLES


def test_every_commented_key_alone_can_be_uncommented(cli: Cli, tmp_path: Path) -> None:
    path = written(cli, tmp_path)
    lines = path.read_text(encoding="utf-8").split("\n# [stores.main]")[0].splitlines()
    keys = [number for number, line in enumerate(lines) if uncommented(line) != line]
    assert len(keys) > 25
    for number in keys:
        changed = [uncommented(line) if place == number else line for place, line in enumerate(lines)]
        path.write_text("\n".join(changed), encoding="utf-8")
        load(path)


def test_it_asks_nothing_and_overwrites_nothing(cli: Cli, tmp_path: Path) -> None:
    path = written(cli, tmp_path)
    path.write_text("# mine\n", encoding="utf-8")
    outcome = cli("init", ok=False)
    assert outcome.exit_code == 2
    assert "exists already" in outcome.err
    assert path.read_text(encoding="utf-8") == "# mine\n"


def test_it_makes_the_folder_it_is_given(cli: Cli, tmp_path: Path) -> None:
    cli("init", "new/shop")
    assert load(tmp_path / "new" / "shop" / "cartctl.toml").settings.transport == "outbox"


@pytest.mark.parametrize("line", ["transprot = 'outbox'", "[sending]\ncapp = 3"])
def test_a_mistyped_key_in_it_is_refused_with_what_was_meant(line: str, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "cartctl.toml").write_text(line, encoding="utf-8")
    outcome = cli("detect", ok=False)
    assert outcome.exit_code == 2
    assert "did you mean" in outcome.err


def as_values(settings: msgspec.Struct, prefix: str = "") -> dict[str, object]:
    """Return the settings flat, `sending.cap` and all, secrets revealed."""
    found: dict[str, object] = {}
    for field in msgspec.structs.fields(settings):
        name, value = f"{prefix}{field.encode_name}", getattr(settings, field.name)
        found |= as_values(value, f"{name}.") if isinstance(value, msgspec.Struct) else {name: plain(value)}
    return found


def plain(value: object) -> object:
    return value.reveal() if isinstance(value, Secret) else value


def flat(data: dict[str, object], prefix: str = "") -> list[str]:
    names: list[str] = []
    for key, value in data.items():
        names += flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [f"{prefix}{key}"]
    return names
