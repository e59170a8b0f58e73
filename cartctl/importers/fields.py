"""One cell at a time: text in, a checked value out, or a FieldError that names the column."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from cartctl.domain.carts import Consent
from cartctl.domain.identity import normalise_email
from cartctl.domain.money import AmbiguousAmountError, check_currency, read_amount
from cartctl.domain.times import YEARS, NoOffsetError, parse_instant, zone_named
from cartctl.importers.records import Context

MAX_QUANTITY = 10_000
_PLAIN_EMAIL = re.compile(
    r"[A-Za-z0-9_%+'-]++(?:\.[A-Za-z0-9_%+'-]++)*+@(?:[A-Za-z0-9]++(?:-++[A-Za-z0-9]++)*+\.)++[A-Za-z]{2,24}"
)
"""An address that every judge accepts: ASCII, no quotes, no comments. Possessive: no second try."""
_E164 = re.compile(r"\+[1-9]\d{6,14}")
_ROUNDED = re.compile(r"\d([.,]\d+)?[eE]\+\d+")
_LOCALE = re.compile(r"([A-Za-z]{2,3})([-_][A-Za-z]{4})?([-_]([A-Za-z]{2}|\d{3}))?")
_CONSENT = {
    **dict.fromkeys(("granted", "yes", "true", "1"), Consent.GRANTED),
    **dict.fromkeys(("refused", "no", "false", "0"), Consent.REFUSED),
    **dict.fromkeys(("unknown", ""), Consent.UNKNOWN),
}


_PLACEHOLDERS = frozenset(("", "-", "--", "\N{EN DASH}", "\N{EM DASH}", "n/a", "#n/a", "null"))
"""What exports write where there is nothing."""
TOLD_BY_CURRENCY = "currency"
_DECIMAL_SIGN: ContextVar[Callable[[str], str] | None] = ContextVar("decimal_sign", default=None)


_URL = re.compile(r"https?://[^\s<>\"]+")


class FieldError(ValueError):
    """A cell that cannot be read. `reason` is complete but for the place."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column
        self.reason = reason


class UndecidedAmountError(FieldError):
    """An amount such as 1,234, which its column as a whole must decide (`deciding_amounts`)."""


class CurrencyNeededError(FieldError):
    """An amount such as 1.234 in a column which only its currency could decide, and nobody has named that."""


@contextmanager
def deciding_amounts(decimal_sign: Callable[[str], str]) -> Iterator[None]:
    """Within, amounts such as 1,234 are read by what `decimal_sign` says of their column.

    It says `.`, `,`, "" (unknown), or TOLD_BY_CURRENCY (unknown for want of a currency).
    """
    token = _DECIMAL_SIGN.set(decimal_sign)
    try:
        yield
    finally:
        _DECIMAL_SIGN.reset(token)


def is_blank(text: str) -> bool:
    """Say whether an optional cell holds nothing, or what stands for it: -, N/A."""
    return not text or text.strip().lower() in _PLACEHOLDERS


def identifier(text: str, column: str) -> str:
    """An id is a text of at most 200 characters. One in scientific notation was rounded by a spreadsheet: no repair.

    A ' in front is a spreadsheet's mark for text.
    """
    value = text.strip().removeprefix("'")
    if not value:
        raise FieldError(column, "is blank")
    if len(value) > 200:
        raise FieldError(column, f"is {len(value)} characters long; an id has at most 200")
    if "+" in value and _ROUNDED.fullmatch(value):
        raise FieldError(column, f'"{value}" was rounded by a spreadsheet; export it again, as text')
    return value


def optional_identifier(text: str, column: str) -> str:
    return "" if is_blank(text) else identifier(text, column)


def email(text: str, column: str) -> str | None:
    """Return the folded address; None for a blank. The plain case is decided here, the rest by email-validator."""
    if _PLAIN_EMAIL.fullmatch(text) and len(text) <= 254 and text.find("@") <= 64 and "xn--" not in text:
        return text.lower()
    folded = normalise_email(text)
    if not folded:
        return None
    from email_validator import EmailNotValidError, validate_email

    try:
        checked = validate_email(folded, check_deliverability=False)
    except EmailNotValidError as error:
        raise FieldError(column, f"is no e-mail address: {error}") from None
    return normalise_email(checked.normalized)


def phone(text: str, country: str | None) -> str | None:
    """Return E.164, or None where the number cannot be told: a phone number only ever helps to find a buyer."""
    if not text:
        return None
    if _E164.fullmatch(text):
        return text
    compact = re.sub(r"[\s().-]", "", text.strip().lstrip("'"))
    if not compact:
        return None
    if _E164.fullmatch(compact) and "(" not in text:  # +49 (0)30 … is not +49030 …
        return compact
    return _unusual_phone(compact, (country or "").upper() or None)


@lru_cache(maxsize=4096)
def _unusual_phone(text: str, country: str | None) -> str | None:
    import phonenumbers

    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def instant(text: str, column: str, context: Context) -> datetime:
    """An aware time. Without an offset it is read in the file's zone; where none is named it is refused: guessing
    UTC can date an order before its cart, and a buyer is mailed.
    """
    try:
        if len(text) == 25 and (ahead := _offset(text[19:])) is not None:
            found = datetime.fromisoformat(text[:19] + "Z") - ahead  # half of what astimezone takes
        else:
            found = datetime.fromisoformat(text)
        if found.tzinfo is UTC and found.year in YEARS:
            return found
    except (ValueError, OverflowError):
        pass
    return _unusual_instant(text, column, context)


@lru_cache(maxsize=256)
def _offset(text: str) -> timedelta | None:
    """Read +01:00; None where it is no offset."""
    match = re.fullmatch(r"([+-])([01]\d|2[0-3]):([0-5]\d)", text, re.ASCII)
    if match is None:
        return None
    ahead = timedelta(hours=int(match[2]), minutes=int(match[3]))
    return -ahead if match[1] == "-" else ahead


def _unusual_instant(text: str, column: str, context: Context) -> datetime:
    if not text.strip():
        raise FieldError(column, "is blank")
    try:
        found = parse_instant(text, context.zone)
    except NoOffsetError as error:
        raise FieldError(
            column, f"{error}: name its zone with --timezone Europe/Berlin or stores.{context.store}.timezone"
        ) from None
    except ValueError as error:
        raise FieldError(column, str(error)) from None
    if found.year not in YEARS:
        raise FieldError(column, f'"{text}" is absurd (the years from {YEARS[0]} to {YEARS[-1]} are not)')
    return found


def optional_instant(text: str, column: str, context: Context) -> datetime | None:
    return None if is_blank(text) else instant(text, column, context)


def amount(text: str, column: str) -> Decimal | None:
    """An amount of money, with its currency's sign or code, in the writing of any country; None for a blank.

    Raises UndecidedAmountError for 1,234 and 1.234, outside of `deciding_amounts`.
    """
    try:
        return _amount(text)
    except AmbiguousAmountError as error:
        decide = _DECIMAL_SIGN.get()
        if decide is None:
            raise UndecidedAmountError(column, str(error)) from None
        sign = decide(column)
        if sign == TOLD_BY_CURRENCY:
            raise CurrencyNeededError(column, f"{error}, or name the currency with --currency") from None
        try:
            return read_amount(text, sign)
        except ValueError as still:
            raise FieldError(column, str(still)) from None
    except ValueError as error:
        raise FieldError(column, str(error)) from None


@lru_cache(maxsize=8192)
def _amount(text: str) -> Decimal | None:
    return None if is_blank(text) else read_amount(text)


def quantity(text: str, column: str) -> int:
    """A whole number from 0 to 10,000; a blank is 1."""
    try:
        return _quantity(text)
    except ValueError as error:
        raise FieldError(column, str(error)) from None


@lru_cache(maxsize=1024)
def _quantity(text: str) -> int:
    value = text.strip()
    if is_blank(value):
        return 1
    if not re.fullmatch(r"-?[0-9]{1,12}(\.0+|,00?)?", value):
        raise ValueError(f'"{value[:60]}" is no whole number')
    number = int(re.split("[.,]", value)[0])
    if number < 0:
        raise ValueError(f'"{number}" is negative')
    if number > MAX_QUANTITY:
        raise ValueError(f'"{number}" is absurd (at most {MAX_QUANTITY})')
    return number


def currency(text: str, column: str, context: Context) -> str:
    try:
        return _currency(text) or context.currency
    except ValueError as error:
        raise FieldError(column, str(error)) from None


@lru_cache(maxsize=1024)
def _currency(text: str) -> str:
    return "" if is_blank(text) else check_currency(text)


def consent(text: str, column: str) -> Consent:
    try:
        return _CONSENT[text]
    except KeyError:
        pass
    try:
        return _CONSENT[text.strip().lower()]
    except KeyError:
        raise FieldError(column, f'"{text}" is none of granted, refused, unknown') from None


def url(text: str, column: str) -> str:
    if not text or _URL.fullmatch(text):
        return text
    try:
        return _unusual_url(text)
    except ValueError as error:
        raise FieldError(column, str(error)) from None


def _unusual_url(text: str) -> str:
    value = "" if is_blank(text) else text.strip()
    if value.startswith("//"):
        value = f"https:{value}"
    if value and (not value.lower().startswith(("http://", "https://")) or re.search(r"[\s<>\"]", value)):
        raise ValueError("is no http or https address")
    return value


@lru_cache(maxsize=1024)
def locale(text: str) -> str:
    """`de-DE` as `de_DE`; what is none is dropped, for it only decides how a price is written."""
    match = _LOCALE.fullmatch(text.strip())
    return text.strip().replace("-", "_") if match else ""


@lru_cache(maxsize=1024)
def timezone(text: str, column: str) -> str:
    if is_blank(text):
        return ""
    try:
        return zone_named(text).key
    except ValueError as error:
        raise FieldError(column, str(error)) from None


def short(text: str, limit: int = 200) -> str:
    """A name or label, cut to what the table holds."""
    return text.strip()[:limit]
