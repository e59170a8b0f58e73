"""cartctl.toml and the environment."""

from datetime import timedelta
from pathlib import Path

import pytest

from cartctl import config
from cartctl.config import Loaded
from cartctl.errors import ConfigurationError
from cartctl.settings import Settings
from tests.cli.looking import rows
from tests.shop import Cli, cart, write_csv

KEY = "SG.s3cret"
FILE = Path("cartctl.toml")


def load(text: str = "", **environment: str) -> Loaded:
    """Load the configuration from a file with this text in the current folder."""
    if text:
        FILE.write_text(text, encoding="utf-8")
    return config.load(file=None, environment=environment, folder=Path())


def complaint(text: str = "", **environment: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(text, **environment)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Where it comes from


def test_without_any_configuration_there_are_a_sqlite_file_and_an_outbox_here(cli: Cli) -> None:
    path = write_csv(Path("carts.csv"), cart())
    cli("import", "carts", path, "--at", "2026-03-02T10:05:00Z")
    cli("run-due", "--at", "2026-03-02T10:35:00Z")
    assert {entry.name for entry in Path().iterdir() if not entry.name.endswith(("-wal", "-shm", ".lock"))} == {
        "carts.csv",
        "cartctl.db",
        "outbox",
    }
    assert len(list(Path("outbox").glob("*.eml"))) == 1


def test_file_is_the_one_before_the_command_else_that_of_the_environment_else_the_one_here(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("cartctl", "environment", "option"):
        Path(f"{name}.toml").write_text(f'database = "sqlite:///{name}.db"\n')

    def made(*arguments: str) -> set[str]:
        cli(*arguments)
        found = {path.name for path in Path().glob("*.db")}
        for path in Path().glob("*.db*"):
            path.unlink()
        return found

    assert made("db", "upgrade") == {"cartctl.db"}
    monkeypatch.setenv("CARTCTL_CONFIG", "environment.toml")
    assert made("db", "upgrade") == {"environment.db"}
    assert made("--config", "option.toml", "db", "upgrade") == {"option.db"}
    monkeypatch.setenv("DATABASE_URL", "sqlite:///url.db")
    assert made("--config", "option.toml", "db", "upgrade") == {"url.db"}


def test_config_stands_before_the_command(cli: Cli) -> None:
    Path("my.toml").write_text("")
    assert cli("db", "upgrade", "--config", "my.toml", ok=False).exit_code == 2


@pytest.mark.parametrize("how", ["option", "environment"])
def test_missing_file_is_refused_with_what_writes_one(cli: Cli, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    if how == "environment":
        monkeypatch.setenv("CARTCTL_CONFIG", "nothing.toml")
    option = ["--config", "nothing.toml"] if how == "option" else []
    outcome = cli(*option, "db", "upgrade", ok=False)
    assert (outcome.exit_code, outcome.err) == (2, "cartctl: nothing.toml: no such file (`cartctl init` writes one)\n")
    assert not Path("cartctl.db").exists()


def test_relative_paths_count_from_the_folder_of_the_file(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("shop").mkdir()
    Path("shop/cartctl.toml").write_text('outbox = "mails"\ntemplates = "mine"\n')
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    loaded = config.load(file=Path("../shop/cartctl.toml"), environment={}, folder=Path())
    shop = Path("../shop").resolve()
    assert (loaded.outbox_folder, loaded.templates_folder) == (shop / "mails", shop / "mine")
    assert loaded.database_url == f"sqlite:///{shop}/cartctl.db"
    assert loaded.lock_file == shop / "cartctl.db.lock"
    cli("--config", "../shop/cartctl.toml", "db", "upgrade")
    assert (shop / "cartctl.db").exists()
    assert list(Path().iterdir()) == []


def test_relative_paths_of_the_environment_count_from_here() -> None:
    Path("shop").mkdir()
    Path("shop/cartctl.toml").write_text('outbox = "mails"\n')
    loaded = config.load(
        file=Path("shop/cartctl.toml"),
        environment={"CARTCTL_OUTBOX": "here", "DATABASE_URL": "sqlite:///here.db"},
        folder=Path(),
    )
    assert (loaded.outbox_folder, loaded.database_url) == (Path("here"), "sqlite:///here.db")


@pytest.mark.parametrize(
    "url", ["sqlite:////var/lib/shop.db", "sqlite:///file:shop.db?uri=true", "sqlite://", "postgresql://localhost/shop"]
)
def test_url_that_is_no_relative_path_stays_as_it_is(url: str) -> None:
    assert load(f'database = "{url}"\n').database_url == url


def test_environment_wins_over_the_file_key_by_key() -> None:
    settings = load(
        '[sending]\ncap = 3\nmin_gap = "1h"\n[stores.main]\nbrand = "File"\n',
        CARTCTL_SENDING__CAP="4",
        CARTCTL_SENDING__QUIET_HOURS="22:00-08:00",
        CARTCTL_STORES__MAIN__CURRENCY="eur",
        CARTCTL_STORES__MAIN__HOSTS='["shop.example.com"]',
        CARTCTL_COUPONS__RECOVERY10="BACK10",
        CARTCTL_FROM="Shop <shop@example.com>",
        CARTCTL_PURCHASE='{ slack = "2h" }',
    ).settings
    assert (settings.sending.cap, settings.sending.min_gap) == (4, timedelta(hours=1))
    assert settings.sending.quiet_hours == "22:00-08:00"
    assert (settings.store("main").brand, settings.store("main").currency) == ("File", "EUR")
    assert settings.store("main").hosts == ("shop.example.com",)
    assert (settings.coupons, settings.from_) == ({"recovery10": "BACK10"}, "Shop <shop@example.com>")
    assert settings.purchase.slack == timedelta(hours=2)


def test_blank_variables_say_nothing() -> None:
    assert load(DATABASE_URL="", SENDGRID_API_KEY="", CARTCTL_CONFIG="").settings == Settings()


def test_secret_keys_come_from_the_environment_first_signs() -> None:
    assert load(CARTCTL_SECRET_KEYS=" new , old,").secret_keys == ("new", "old")


def test_file_with_a_byte_order_mark_is_read() -> None:
    FILE.write_bytes(b"\xef\xbb\xbftransport = 'outbox'\n")
    assert load().settings.transport == "outbox"


# What is wrong with it


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('transprot = "outbox"', 'unknown key "transprot" (did you mean "transport"?)'),
        ("[sending]\ncapp = 3", 'unknown key "sending.capp" (did you mean "cap"?)'),
        ('[stores.shoes]\ncurency = "EUR"', 'unknown key "stores.shoes.curency" (did you mean "currency"?)'),
        ("[sendgird]\nsandbox = true", 'unknown key "sendgird" (did you mean "sendgrid"?)'),
        ("[xyz]", 'unknown key "xyz" (known: abandonment, alerts, base_url,'),
        ('[sending]\ncap = "many"', "sending.cap: expected int, got str"),
        ("outbox = 3", "outbox: expected str, got int"),
        ("sending = 3", "sending: expected table, got int"),
        ("reply_to = 3", "reply_to: expected str, got int"),
        ('[stores.a]\nurl = "x"\n[stores.b]\nhosts = "b.example.com"', "stores.b.hosts: expected array, got str"),
        ('[stores.b]\ncurrency = "EURO"', 'stores.b.currency: "EURO" is no ISO 4217 currency code'),
        ('[stores.b]\ntimezone = "Berlin"', 'stores.b.timezone: "Berlin" is no IANA time zone'),
        ('[stores.b]\ncountry = "Germany"', 'stores.b.country: "Germany" is no ISO 3166 country code'),
        ('[stores.b]\ncolour = "green"', 'stores.b.colour: "green" is no colour (#1f4fd8 is)'),
        ('[stores.b]\nlocale = "German"', 'stores.b.locale: "German" is no locale ("de" and "de_AT" are)'),
        (
            '[stores.b]\nsupport = "ask us"',
            'stores.b.support: "ask us" is neither an e-mail address nor an https address',
        ),
        ('[stores.b]\nsupport = "javascript:alert@b.example"', "stores.b.support: "),
        (f"[stores.{'x' * 61}]", f"stores.{'x' * 61}: a store's name has 1 to 60 characters"),
        ("[coupons]\na = 'A'\nb = 3", "coupons.b: expected str, got int"),
        ('[purchase]\nnot_purchases = ["failed", 3]', "purchase.not_purchases[1]: expected str, got int"),
        ('transport = "sendgird"', 'transport: unknown value "sendgird" (did you mean "sendgrid"?)'),
        ('[consent]\nrequire = "optin"', 'consent.require: unknown value "optin" (did you mean "opt-in"?)'),
        ('[abandonment]\nidle_after = "soon"', 'abandonment.idle_after: "soon" is no duration (30m, 24h and 2d are)'),
        ("[abandonment]\nidle_after = 30", "abandonment.idle_after: expected a text, got int"),
        ('[sending]\nquiet_hours = "at night"', "sending.quiet_hours: "),
        ("[sending]\nconcurrency = 0", "sending.concurrency: 0 is not between 1 and 256"),
        ("[sending]\nrate_per_second = 0", "sending.rate_per_second: 0 is not between 0.01 and 10000"),
        ('[sending]\ntimeout = "150s"', "sending.timeout: 150 s is not below half of sending.lease (300 s): "),
        (
            '[sending]\nrate_per_second = 0.01\nlease = "1m"',
            "sending.rate_per_second: 0.01 leaves 100 s between two messages: their sending.lease of 60 s",
        ),
        ('[sending]\nlease = "30s"', "sending.timeout: 20 s is not below half of sending.lease (30 s): "),
        ('base_url = "mail.example.com"', 'base_url: "mail.example.com" is no URL (https://mail.example.com is)'),
        ("transport = outbox", "not valid TOML: "),
        ('transport = "outbox"\ntransport = "outbox"', "not valid TOML: "),
    ],
)
def test_wrong_key_or_value_is_refused_with_the_file_the_key_and_what_was_meant(text: str, message: str) -> None:
    assert complaint(text).startswith(f"cartctl.toml: {message}")


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("CARTCTL_TRANSPROT", "outbox", "unknown variable CARTCTL_TRANSPROT (did you mean "),
        ("CARTCTL_SENDING__CAPP", "3", 'CARTCTL_SENDING__CAPP: unknown key "sending.capp" (did you mean "cap"?)'),
        ("CARTCTL_SENDING__CAP", "many", "CARTCTL_SENDING__CAP: sending.cap: expected int, got str"),
        ("CARTCTL_SENDING__CAP", "1001", "CARTCTL_SENDING__CAP: sending.cap: 1001 is not between 0 and 1000"),
        ("CARTCTL_SENDING", "many", "CARTCTL_SENDING: sending: expected table, got str"),
        ("CARTCTL_TRANSPORT", "sendgird", 'CARTCTL_TRANSPORT: transport: unknown value "sendgird"'),
        ("CARTCTL_TRANSPORT__KIND", "outbox", "CARTCTL_TRANSPORT__KIND: transport is no table"),
        ("CARTCTL_BASE_URL", "mail.example.com", "CARTCTL_BASE_URL: base_url: "),
        ("CARTCTL_STORES__MAIN__CURRENCY", "EURO", "CARTCTL_STORES__MAIN__CURRENCY: stores.main.currency: "),
        ("CARTCTL_STORES__MAIN__HOSTS", "[shop", "CARTCTL_STORES__MAIN__HOSTS: not a TOML value: "),
        ("CARTCTL_SENDING", '{ cap = "many" }', "CARTCTL_SENDING: sending.cap: expected int"),
    ],
)
def test_wrong_variable_is_refused_by_its_own_name_even_beside_a_file(variable: str, value: str, message: str) -> None:
    text = 'transport = "outbox"\n'
    assert complaint(text, **{variable: value}).startswith(f"environment: {message}")


@pytest.mark.parametrize("content", [b"\xff\xfe\0", "brand = 'Größe'".encode("cp1252")])
def test_file_that_is_no_text_is_refused(content: bytes) -> None:
    FILE.write_bytes(content)
    assert complaint() == "cartctl.toml: is not UTF-8: save it as UTF-8"


def test_folder_in_place_of_the_file_is_refused() -> None:
    FILE.mkdir()
    assert complaint() == "cartctl.toml: cannot be read: Is a directory"


@pytest.mark.parametrize(
    "command", [["import", "carts", "x.csv"], ["run-due"], ["detect"], ["report"], ["db", "status"]]
)
def test_every_command_refuses_a_wrong_configuration_in_one_line(cli: Cli, command: list[str]) -> None:
    FILE.write_text("bogus = 1\n")
    outcome = cli(*command, ok=False)
    assert (outcome.exit_code, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert outcome.err.startswith('cartctl: cartctl.toml: unknown key "bogus"')
    assert not Path("cartctl.db").exists()


# How mail leaves


def test_delivering_transport_names_all_that_it_lacks_in_one_message(cli: Cli) -> None:
    FILE.write_text('transport = "sendgrid"\n')
    outcome = cli("run-due", ok=False)
    assert (outcome.exit_code, outcome.err.count("\n")) == (2, 1)
    for missing in ("SENDGRID_API_KEY", "from", "postal_address", "base_url"):
        assert missing in outcome.err


COMPLETE = {
    "from": '"Shop <shop@example.com>"',
    "postal_address": '"1 Example Street, Exampletown"',
    "base_url": '"https://mail.example.com"',
}


@pytest.mark.parametrize("missing", COMPLETE)
def test_delivering_transport_names_the_one_thing_that_it_lacks(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setenv("SENDGRID_API_KEY", KEY)
    lines = [f"{key} = {value}" for key, value in COMPLETE.items() if key != missing]
    FILE.write_text("\n".join(['transport = "sendgrid"', *lines]))
    outcome = cli("run-due", ok=False)
    assert outcome.exit_code == 2
    assert outcome.err.startswith(f'cartctl: transport = "sendgrid" needs {missing} (')
    assert [key for key in COMPLETE if f"{key} (" in outcome.err] == [missing]
    assert KEY not in outcome.err


@pytest.mark.parametrize(
    "url", ["http://mail.example.com", "https://localhost:8000", "https://127.0.0.1", "https://mail"]
)
def test_base_url_that_no_shopper_can_reach_is_no_base_url(cli: Cli, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("SENDGRID_API_KEY", KEY)
    values = COMPLETE | {"base_url": f'"{url}"'}
    FILE.write_text("\n".join(['transport = "sendgrid"', *(f"{key} = {value}" for key, value in values.items())]))
    assert "needs base_url" in cli("run-due", ok=False).err


def test_complete_delivering_transport_is_accepted(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENDGRID_API_KEY", KEY)
    FILE.write_text("\n".join(['transport = "sendgrid"', *(f"{key} = {value}" for key, value in COMPLETE.items())]))
    assert cli("run-due").err == ""


def test_key_alone_changes_nothing(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENDGRID_API_KEY", KEY)
    assert load(SENDGRID_API_KEY=KEY).settings.transport == "outbox"
    cli("import", "carts", write_csv(Path("carts.csv"), cart()), "--at", "2026-03-02T10:05:00Z")
    cli("run-due", "--at", "2026-03-02T10:35:00Z")
    assert len(list(Path("outbox").glob("*.eml"))) == 1
    assert rows(Path("cartctl.db"), "SELECT transport, delivers FROM messages WHERE state = 'accepted'") == [
        ("outbox", 0)
    ]


# Secrets


def test_settings_never_show_a_secret() -> None:
    loaded = load(
        SENDGRID_API_KEY=KEY, DATABASE_URL="postgresql://anna:s3cret@db.example.com/shop", CARTCTL_SECRET_KEYS="s3cret"
    )
    assert loaded.settings.sendgrid.api_key.reveal() == KEY
    for shown in (repr(loaded), str(loaded), repr(loaded.settings), f"{loaded.settings.sendgrid.api_key}"):
        assert "s3cret" not in shown


@pytest.mark.parametrize(
    "text",
    [
        '[sendgrid]\napi_key = "SG.s3cret"\napi_kee = 1',
        "[sendgrid]\napi_key = [ 'SG.s3cret' ]",
        "[sendgrid]\napi_key = 'SG.s3cret",
        '[sendgrid]\napi_key = "SG.s3cret"\nsandbox = "perhaps"',
        "[sendgrid]\napi_key = SG.s3cret",
        "database = ['postgresql://anna:s3cret@db.example.com/shop']",
    ],
)
def test_no_error_of_the_file_repeats_a_secret(text: str) -> None:
    assert "s3cret" not in complaint(text)


@pytest.mark.parametrize(
    "variable", ["SENDGRID_API_KEY", "DATABASE_URL", "CARTCTL_DATABASE", "CARTCTL_SENDGRID__API_KEY"]
)
def test_no_error_of_the_environment_repeats_a_secret(cli: Cli, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "[nonsense://anna:s3cret@@")
    monkeypatch.setenv("CARTCTL_SENDING__CAP", "many")
    outcome = cli("db", "status", ok=False)
    assert outcome.exit_code == 2
    assert "s3cret" not in outcome.err + outcome.out


def test_help_shows_no_secret(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("SENDGRID_API_KEY", "DATABASE_URL", "CARTCTL_SECRET_KEYS", "CARTCTL_SENDGRID__API_KEY"):
        monkeypatch.setenv(variable, "s3cret")
    for command in ([], ["import"], ["import", "carts"], ["run-due"], ["report"], ["init"], ["db"]):
        assert "s3cret" not in cli(*command, "--help").out


def test_test_mode_may_stand_in_the_environment() -> None:
    """Its variable begins like those of our own tests, which mean nothing."""
    loaded = load(CARTCTL_MODE="test", CARTCTL_TEST_RECIPIENTS='["me@example.com"]', CARTCTL_TEST_POSTGRES="x")
    assert loaded.settings.test_recipients == ("me@example.com",)
