"""Lists of unique coupon codes: one code a row, with the moment at which it ends."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from cartctl.errors import InputFileError, UsageError
from cartctl.importers import fields
from cartctl.importers.csvfile import CsvFile, Header
from cartctl.importers.fields import FieldError
from cartctl.importers.format import Cells, lines_of
from cartctl.importers.records import Context, Ignored, RowError
from cartctl.suggest import did_you_mean

NAME = "coupons"
FILE_NAMES = re.compile(r"coupons?(?=[-_. ]|$)", re.IGNORECASE)
"""How the name of such a file begins."""
CODE_LENGTH = 100
NAME_LENGTH = 60
_CODE = ("code", "couponcode", "discountcode", "vouchercode", "promocode")
_EXPIRES = ("expiresat", "expires", "expiry", "expirydate", "expirationdate", "validuntil", "endsat", "enddate")
_COUPON = ("coupon", "couponname")


@dataclass(frozen=True, slots=True)
class CouponCode:
    """One code of the coupon that a step names. `expires_at`: the first moment at which it is worth nothing."""

    row: int
    coupon: str
    code: str
    expires_at: datetime | None


def recognise(header: Header) -> bool:
    """Say whether the columns can be nothing else: a code, and which coupon it is of."""
    found = _columns(header)
    return bool(found["code"] and found["coupon"])


def read(file: CsvFile, context: Context, *, coupon: str) -> Iterator[CouponCode | RowError | Ignored]:
    """Yield each row's code. `coupon` is of the rows that name none; "" where all of them must.

    Raises InputFileError without a column of codes, UsageError when nothing says which coupon they are of.
    """
    found = _columns(file.header)
    if not found["code"]:
        raise InputFileError(f'{file.path}: column "code" is missing{did_you_mean("code", file.header.tellable)}')
    if not found["coupon"] and not coupon:
        raise UsageError(
            f'{file.path}: which coupon are these codes of? --coupon recovery10 says so, or a column "coupon" '
            '(a step asks for it with coupon = "recovery10")'
        )
    return lines_of(file, lambda row, cells: _code(row, cells, found, context, coupon))


def _columns(header: Header) -> dict[str, str]:
    """Return what the columns for code, coupon and expiry are called here; "" for one that is not there."""
    names = {re.sub(r"[\W_]", "", column.lower()): column.strip().lower() for column in reversed(header.columns)}
    wanted = {"code": _CODE, "coupon": _COUPON, "expires_at": _EXPIRES}
    return {what: next((names[name] for name in spellings if name in names), "") for what, spellings in wanted.items()}


def _code(row: int, cells: Cells, columns: dict[str, str], context: Context, coupon: str) -> CouponCode:
    name = (cells[columns["coupon"]].strip() if columns["coupon"] else "") or coupon
    if not name:
        raise FieldError("coupon", "is blank, and no --coupon was given")
    if len(name) > NAME_LENGTH:
        raise FieldError("coupon", f"is {len(name)} characters long; a coupon's name has at most {NAME_LENGTH}")
    code = fields.identifier(cells[columns["code"]], "code")
    if len(code) > CODE_LENGTH:
        raise FieldError("code", f"is {len(code)} characters long; a code has at most {CODE_LENGTH}")
    if not code.isprintable():
        raise FieldError("code", "holds characters that nobody can type")
    text = cells[columns["expires_at"]].strip() if columns["expires_at"] else ""
    return CouponCode(row, name, code, _expiry(text, context))


def _expiry(text: str, context: Context) -> datetime | None:
    """A time, or a day: a code that expires on a day is good until that day is over."""
    if not text:
        return None
    try:
        day = date.fromisoformat(text) if len(text) <= 10 else None
    except ValueError:
        day = None
    if day is None or day == date.max:
        return fields.instant(text, "expires_at", context)
    return fields.instant(datetime.combine(day + timedelta(days=1), time()).isoformat(), "expires_at", context)
