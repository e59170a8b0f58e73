"""Lists of contacts: an address a row, who it is, and whatever else is known of them, as CSV, JSON or JSON Lines.

Whatever is no field of ours is an attribute, by its name in lower case with _ for all else (`Health Score` is
health_score). Attributes stay as they are written: what they must be, the sequence says that asks for them.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from cartctl.domain.carts import Consent
from cartctl.errors import InputFileError
from cartctl.importers import fields, values
from cartctl.importers.csvfile import CsvFile
from cartctl.importers.fields import FieldError
from cartctl.importers.format import Source, lines_of, lines_of_records
from cartctl.importers.jsonfile import JsonFile
from cartctl.importers.records import Ignored, RowError
from cartctl.importers.rejects import REASONS
from cartctl.suggest import did_you_mean

NAME = "contacts"
FILE_NAMES = re.compile(r"contacts?(?=[-_. ]|$)", re.IGNORECASE)
"""How the name of such a file begins."""
_FIELDS = {
    "email": ("email", "emailaddress", "mail", "emailadresse"),
    "first_name": ("firstname", "givenname", "vorname"),
    "business_name": ("businessname", "business", "company", "companyname", "firma"),
    "timezone": ("timezone", "tz", "zone"),
    "locale": ("locale", "language", "lang"),
    "consent": ("consent", "optin", "acceptsmarketing"),
}
_OURS = {spelling: name for name, spellings in _FIELDS.items() for spelling in spellings}
_ATTRIBUTES = 50
_LONGEST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactLine:
    """One contact as a row shows them; a blank field says nothing. `email` is folded."""

    row: int
    email: str
    first_name: str = ""
    business_name: str = ""
    timezone: str = ""
    locale: str = ""
    consent: Consent = Consent.UNKNOWN
    attributes: Mapping[str, str | int | bool] = field(default_factory=dict)
    """A number with decimals is the text of it. "" takes an attribute away."""
    raw: tuple[str, ...] = ()
    """The row as it was, for the rejects."""


def read(source: Source) -> Iterator[ContactLine | RowError | Ignored]:
    """Yield each row's contact. Raises InputFileError when no column is one of addresses."""
    if isinstance(source, JsonFile):
        return _records(source)
    return _rows(source)


def _rows(file: CsvFile) -> Iterator[ContactLine | RowError | Ignored]:
    columns = {column.strip().lower(): _name(column) for column in file.header.columns if column.strip()}
    if "email" not in columns.values():
        raise InputFileError(
            f'{file.path}: no column of addresses: name it "email"{did_you_mean("email", file.header.tellable)}'
        )
    _check_once(columns.values(), lambda name: InputFileError(f"{file.path}: two columns are {name}: leave one out"))
    yield from lines_of(
        file, lambda row, cells: _contact(row, {columns[c]: cells[c].strip() for c in columns}, cells.raw)
    )


def _records(file: JsonFile) -> Iterator[ContactLine | RowError]:
    return lines_of_records(file, lambda row, record: [of_record(row, record, file.text)])


def of_record(row: int, record: Mapping[str, Any], raw: str = "") -> ContactLine:
    """Read one contact written as a JSON object; its `attributes` may stand in an object of that name. FieldError."""
    flat = {key: value for key, value in record.items() if key not in REASONS}
    inner = flat.pop("attributes", None)
    if isinstance(inner, dict):
        flat |= inner
    named: dict[str, Any] = {}
    for key, value in flat.items():
        name = _name(key)
        if name in named:
            raise FieldError(key, f"is there twice, as {name}")
        named[name] = value if isinstance(value, bool | int) else values.text({key: value}, key)
    return _contact(row, named, (raw,))


def _name(column: str) -> str:
    plain = re.sub(r"[\W_]", "", column.lower())
    return _OURS.get(plain) or re.sub(r"[\W_]+", "_", column.strip().lower()).strip("_")


def _check_once(names: Any, error: Any) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise error(name)
        seen.add(name)


def _contact(row: int, given: Mapping[str, Any], raw: tuple[str, ...]) -> ContactLine:
    text = {name: str(given.get(name, "")).strip() for name in _FIELDS}
    email = fields.email(text["email"], "email")
    if email is None:
        raise FieldError("email", "is blank")
    attributes = {name: value for name, value in given.items() if name not in _FIELDS and name}
    if len(attributes) > _ATTRIBUTES:
        raise FieldError("", f"has {len(attributes)} attributes; a contact has at most {_ATTRIBUTES}")
    for name, value in attributes.items():
        if len(name) > 60 or len(str(value)) > _LONGEST:
            raise FieldError(name[:60], f"is longer than {_LONGEST} characters, or its name than 60")
    return ContactLine(
        row=row,
        email=email,
        first_name=fields.short(text["first_name"]),
        business_name=fields.short(text["business_name"]),
        timezone=fields.timezone(text["timezone"], "timezone"),
        locale=fields.locale(text["locale"]),
        consent=fields.consent(text["consent"].lower(), "consent"),
        attributes={name: str(value) if isinstance(value, Decimal) else value for name, value in attributes.items()},
        raw=raw,
    )
