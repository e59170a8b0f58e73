"""Lists of addresses that must not be written to: a provider's export, or one column of addresses."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from cartctl.errors import InputFileError
from cartctl.importers import fields
from cartctl.importers.csvfile import CsvFile, Header
from cartctl.importers.fields import FieldError
from cartctl.importers.format import lines_of
from cartctl.importers.records import Ignored, RowError
from cartctl.suggest import did_you_mean

NAME = "suppressions"
FILE_NAMES = re.compile(r"(suppress|unsubscribe|bounce|spam|complaint)", re.IGNORECASE)
"""How the name of such a file begins: its columns alone do not tell it from a list of customers."""
_EMAIL = ("email", "emailaddress", "mail", "mailaddress", "emailadresse", "recipient", "subscriber", "address")
_REASON = ("reason", "unsubreason", "type", "status", "unsubcampaigntitle")
_UNMISTAKABLE = ({"status", "reason", "email", "created"}, {"unsubtime"}, {"cleantime"})
"""SendGrid's bounces; Mailchimp's unsubscribed and cleaned members."""
_ADDRESS = re.compile(r"[^\s\"'<>(,;]+@[^\s\"'>),;]+")


@dataclass(frozen=True, slots=True)
class Suppressed:
    """One address, folded, and why; the reason holds no address."""

    row: int
    email: str
    reason: str


def recognise(header: Header) -> bool:
    """Say whether the columns can be nothing else."""
    found = {_plain(column) for column in header.columns}
    return any(found >= columns for columns in _UNMISTAKABLE)


def read(file: CsvFile) -> Iterator[Suppressed | RowError | Ignored]:
    """Yield each row's address. A file of one column may go without a header: then its first row is an address too.

    Raises InputFileError when no column is one of addresses.
    """
    columns = file.header.columns
    if len(columns) == 1 and "@" in columns[0]:
        yield _headless(columns[0])
        yield from lines_of(file, lambda row, cells: _address(row, cells.raw[0], ""))
        return
    names = {_plain(column): column.strip().lower() for column in reversed(columns)}
    email = next((names[name] for name in _EMAIL if name in names), None)
    if email is None:
        raise InputFileError(
            f'{file.path}: no column of addresses: name it "email"{did_you_mean("email", file.header.tellable)}'
        )
    reason = next((names[name] for name in _REASON if name in names), "")
    yield from lines_of(file, lambda row, cells: _address(row, cells[email], cells[reason] if reason else ""))


def _headless(text: str) -> Suppressed | RowError:
    try:
        return _address(1, text, "")
    except FieldError as error:
        return RowError(1, "", error.reason, (text,))


def _address(row: int, text: str, reason: str) -> Suppressed:
    email = fields.email(text, "email")
    if email is None:
        raise FieldError("email", "is blank")
    plain = " ".join(_ADDRESS.sub("…@…", reason).split())
    return Suppressed(row, email, plain[:80] or "imported")


def _plain(column: str) -> str:
    """`E-Mail Address` and `email_address` are one name."""
    return re.sub(r"[\W_]", "", column.lower())
