"""cartctl.toml and the environment, checked and frozen into `Settings`. Secrets are never shown.

Only cli and web call this module; everything below is handed the values it needs.
A relative path in the file counts from the file's folder (cron starts elsewhere), one in the environment from here.
"""

import hashlib
import tempfile
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from cartctl.errors import ConfigurationError
from cartctl.settings import Settings, Store, wrong_values
from cartctl.suggest import did_you_mean
from cartctl.values import Secret, decode

FILE_NAME = "cartctl.toml"
COMMON_VARIABLES = {
    "DATABASE_URL": ("database",),
    "SENDGRID_API_KEY": ("sendgrid", "api_key"),
    "RESEND_API_KEY": ("resend", "api_key"),
    "SMTP_PASSWORD": ("smtp", "password"),
    "NOTION_API_KEY": ("notion", "api_key"),
}
"""Variables under the names that others give them too, with the keys they stand for."""
_OWN_VARIABLES = {"CARTCTL_CONFIG", "CARTCTL_SECRET_KEYS"}


@dataclass(frozen=True)
class Loaded:
    """The settings, where they came from, and the keys that the environment brings."""

    settings: Settings
    file: Path | None
    secret_keys: tuple[str, ...] = field(repr=False)
    from_environment: frozenset[str] = frozenset()
    """The keys of the first level that the environment brought."""

    def folder(self, key: str) -> Path:
        """Return what a relative path in `key` counts from."""
        return self.file.parent if self.file and key not in self.from_environment else Path()

    @property
    def database_url(self) -> str:
        """The URL with a SQLite file's path made whole. It may hold a password: never print it."""
        url = self.settings.database.reveal()
        path = url.removeprefix("sqlite:///")
        if path == url or not path or path.startswith((":memory:", "/", "file:")):
            return url
        return f"sqlite:///{self.folder('database') / path}"

    @property
    def sqlite_file(self) -> Path | None:
        """The file of a SQLite database; None for a server, and in memory."""
        scheme, _, path = self.database_url.partition("?")[0].partition(":///")
        return Path(path) if scheme.startswith("sqlite") and path and path != ":memory:" else None

    @property
    def database_is_missing(self) -> bool:
        """Whether it is a SQLite file that does not exist yet."""
        return self.sqlite_file is not None and not self.sqlite_file.exists()

    @property
    def lock_file(self) -> Path:
        """Beside a SQLite database; for a server, in the folder for temporary files."""
        if self.sqlite_file:
            return self.sqlite_file.with_name(f"{self.sqlite_file.name}.lock")
        name = hashlib.sha256(self.database_url.encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"cartctl-{name}.lock"

    @property
    def outbox_folder(self) -> Path:
        return self.folder("outbox") / self.settings.outbox

    @property
    def templates_folder(self) -> Path | None:
        return self.folder("templates") / self.settings.templates if self.settings.templates else None

    @property
    def metrics_textfile(self) -> Path | None:
        name = self.settings.metrics.textfile
        return self.folder("metrics") / name if name else None


def load(*, file: Path | None, environment: Mapping[str, str], folder: Path) -> Loaded:
    """Read the configuration: `file`, else CARTCTL_CONFIG, else `folder`/cartctl.toml, else defaults.

    Environment variables win over the file. Raises ConfigurationError, which names the key, the place and what was
    probably meant.
    """
    path = _path(file, environment, folder)
    data = _read(path) if path else {}
    where = str(path) if path else "configuration"
    _check_keys(data, Settings, where)
    variables: dict[str, str] = {}
    for variable, keys, value in _from_environment(environment):
        variables[".".join(keys)] = variable
        _put(data, keys, value, variable)
        _check_keys(data, Settings, f"environment: {variable}")
    try:
        settings = msgspec.convert(data, Settings, strict=False, dec_hook=decode)
    except msgspec.ValidationError as error:
        key, complaint = _readable(error, data)
        raise ConfigurationError(f"{_origin(key, where, variables)}: {complaint}") from None
    for key, complaint in wrong_values(settings):
        raise ConfigurationError(f"{_origin(key, where, variables)}: {key}: {complaint}")
    secret_keys = tuple(key.strip() for key in environment.get("CARTCTL_SECRET_KEYS", "").split(",") if key.strip())
    brought = frozenset(key.partition(".")[0] for key in variables)
    return Loaded(settings, path.resolve() if path else None, secret_keys, brought)


def salvage(*, file: Path | None, environment: Mapping[str, str], folder: Path) -> Loaded:
    """Return the defaults, with the database that a configuration names which cannot be read otherwise."""
    path = _path(file, environment, folder)
    try:
        data = _read(path) if path else {}
    except ConfigurationError:
        data = {}
    url = environment.get("CARTCTL_DATABASE") or environment.get("DATABASE_URL")
    named = url or data.get("database")
    settings = Settings(database=Secret(named)) if isinstance(named, str) else Settings()
    return Loaded(settings, path.resolve() if path else None, (), frozenset({"database"}) if url else frozenset())


def _path(file: Path | None, environment: Mapping[str, str], folder: Path) -> Path | None:
    named = file or (Path(environment["CARTCTL_CONFIG"]) if environment.get("CARTCTL_CONFIG") else None)
    return folder / FILE_NAME if named is None and (folder / FILE_NAME).exists() else named


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: no such file (`cartctl init` writes one)") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: is not UTF-8: save it as UTF-8") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: not valid TOML: {error}") from None


def _check_keys(data: Mapping[str, Any], section: type[msgspec.Struct], where: str, prefix: str = "") -> None:
    """Refuse unknown keys before anything else, with what was probably meant."""
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(section)}
    for key, value in data.items():
        if key not in fields:
            raise ConfigurationError(f'{where}: unknown key "{prefix}{key}"{did_you_mean(key, fields)}')
        inner: Any = fields[key]
        if not isinstance(value, dict):
            continue
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            _check_keys(value, inner, where, f"{prefix}{key}.")
        elif key == "stores":
            for name, table in value.items():
                if isinstance(table, dict):
                    _check_keys(table, Store, where, f"stores.{name}.")


def _from_environment(environment: Mapping[str, str]) -> typing.Iterator[tuple[str, list[str], Any]]:
    """Yield (variable, keys, value): CARTCTL_SENDING__CAP=3 is `cap` in `[sending]`."""
    for variable, place in COMMON_VARIABLES.items():
        if environment.get(variable):
            yield variable, list(place), environment[variable]
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(Settings)}
    for variable, text in sorted(environment.items()):
        if not variable.startswith("CARTCTL_") or variable in _OWN_VARIABLES:
            continue
        keys = [part.lower() for part in variable.removeprefix("CARTCTL_").split("__")]
        if keys[0] not in fields:
            if variable.startswith("CARTCTL_TEST_"):  # of our own tests; not so CARTCTL_TEST_RECIPIENTS
                continue
            known = [f"CARTCTL_{name.upper()}" for name in fields]
            raise ConfigurationError(f"environment: unknown variable {variable}{did_you_mean(variable, known)}")
        yield variable, keys, _environment_value(variable, text)


def _environment_value(variable: str, text: str) -> Any:
    if not text.startswith(("[", "{")):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"environment: {variable}: not a TOML value: {error}") from None


def _put(data: dict[str, Any], keys: list[str], value: Any, variable: str) -> None:
    *tables, last = keys
    for key in tables:
        data = data.setdefault(key, {})
        if not isinstance(data, dict):
            raise ConfigurationError(f"environment: {variable}: {key} is no table")
    data[last] = value


def _origin(key: str, where: str, variables: Mapping[str, str]) -> str:
    """Say who brought a key: the variable that set it (or the table around it), else the file."""
    for dotted, variable in variables.items():
        if f"{key}.".startswith(f"{dotted}."):
            return f"environment: {variable}"
    return where


def _readable(error: msgspec.ValidationError, data: Mapping[str, Any]) -> tuple[str, str]:
    """Turn "Expected `int`, got `str` - at `$.sending.cap`" into (key, "sending.cap: expected int, got str")."""
    text, _, place = str(error).replace("`", "").partition(" - at $.")
    text = text[:1].lower() + text[1:].replace("object", "table").replace(" | null", "")
    table, unnamed, rest = place.partition("[...]")
    if unnamed and isinstance(data.get(table), dict):
        place = f"{table}.{_wrong_entry(table, data[table])}{rest}"
    if "enum value" in text:
        kind: Any = Settings
        for key in place.split("."):
            kind = next(f.type for f in msgspec.structs.fields(kind) if f.encode_name == key)
        wrong = text.partition("'")[2].rstrip("'")
        text = f'unknown value "{wrong}"{did_you_mean(wrong, typing.get_args(kind))}'
    return place, f"{place}: {text}" if place else text


def _wrong_entry(table: str, entries: Mapping[str, Any]) -> str:
    """The error does not say which entry of a table it means: the first that is refused on its own."""
    for name, value in entries.items():
        try:
            msgspec.convert({table: {name: value}}, Settings, strict=False, dec_hook=decode)
        except msgspec.ValidationError:
            return name
    return "…"
