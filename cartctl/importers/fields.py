"""One cell at a time: text in, a checked value out, or a FieldError that names the column."""

import re
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from cartctl.domain.carts import Consent
from cartctl.domain.identity import normalise_email
from cartctl.domain.money import check_currency, parse_amount
from cartctl.domain.times import YEARS, NoOffsetError, parse_instant, zone_named
from cartctl.importers.records import Context

MAX_QUANTITY = 10_000
_PLAIN_EMAIL = re.compile(r"[a-z0-9_%+'-]+(\.[a-z0-9_%+'-]+)*@([a-z0-9]+(-+[a-z0-9]+)*\.)+[a-z]{2,24}")
_E164 = re.compile(r"\+[1-9]\d{6,14}")
_LOCALE = re.compile(r"([A-Za-z]{2,3})([-_][A-Za-z]{4})?([-_]([A-Za-z]{2}|\d{3}))?")
_CONSENT = {
    **dict.fromkeys(("granted", "yes", "true", "1"), Consent.GRANTED),
    **dict.fromkeys(("refused", "no", "false", "0"), Consent.REFUSED),
    **dict.fromkeys(("unknown", ""), Consent.UNKNOWN),
}


class FieldError(ValueError):
    """A cell that cannot be read. `reason` is complete but for the place."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column
        self.reason = reason


def identifier(text: str, column: str) -> str:
    """An id is a text of at most 200 characters. One in scientific notation was rounded by a spreadsheet: no repair."""
    value = text.strip()
    if not value:
        raise FieldError(column, "is blank")
    if len(value) > 200:
        raise FieldError(column, f"is {len(value)} characters long; an id has at most 200")
    if re.fullmatch(r"\d([.,]\d+)?[eE]\+\d+", value):
        raise FieldError(column, f'"{value}" was rounded by a spreadsheet; export it again, as text')
    return value


def optional_identifier(text: str, column: str) -> str:
    return identifier(text, column) if text.strip() else ""


def email(text: str, column: str) -> str | None:
    """Return the folded address; None for a blank. The plain case is decided here, the rest by email-validator."""
    folded = normalise_email(text)
    if not folded:
        return None
    if len(folded) <= 254 and folded.find("@") <= 64 and "xn--" not in folded and _PLAIN_EMAIL.fullmatch(folded):
        return folded
    from email_validator import EmailNotValidError, validate_email

    try:
        checked = validate_email(folded, check_deliverability=False)
    except EmailNotValidError as error:
        raise FieldError(column, f"is no e-mail address: {error}") from None
    return normalise_email(checked.normalized)


def phone(text: str, country: str | None) -> str | None:
    """Return E.164, or None where the number cannot be told: a phone number only ever helps to find a buyer."""
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
    return instant(text, column, context) if text.strip() else None


def amount(text: str, column: str) -> Decimal | None:
    if not text.strip():
        return None
    try:
        return parse_amount(text)
    except ValueError as error:
        raise FieldError(column, str(error)) from None


def quantity(text: str, column: str) -> int:
    """A whole number from 0 to 10,000; a blank is 1."""
    value = text.strip()
    if not value:
        return 1
    if not re.fullmatch(r"-?\d{1,12}(\.0+)?", value):
        raise FieldError(column, f'"{value}" is no whole number')
    number = int(value.partition(".")[0])
    if number < 0:
        raise FieldError(column, f'"{number}" is negative')
    if number > MAX_QUANTITY:
        raise FieldError(column, f'"{number}" is absurd (at most {MAX_QUANTITY})')
    return number


def currency(text: str, column: str, context: Context) -> str:
    if not text.strip():
        return context.currency
    try:
        return check_currency(text)
    except ValueError as error:
        raise FieldError(column, str(error)) from None


def consent(text: str, column: str) -> Consent:
    try:
        return _CONSENT[text.strip().lower()]
    except KeyError:
        raise FieldError(column, f'"{text}" is none of granted, refused, unknown') from None


def url(text: str, column: str) -> str:
    value = text.strip()
    if value.startswith("//"):
        value = f"https:{value}"
    if value and (not value.lower().startswith(("http://", "https://")) or re.search(r"[\s<>\"]", value)):
        raise FieldError(column, "is no http or https address")
    return value


def locale(text: str) -> str:
    """`de-DE` as `de_DE`; what is none is dropped, for it only decides how a price is written."""
    match = _LOCALE.fullmatch(text.strip())
    return text.strip().replace("-", "_") if match else ""


@lru_cache(maxsize=1024)
def timezone(text: str, column: str) -> str:
    if not text.strip():
        return ""
    try:
        return zone_named(text).key
    except ValueError as error:
        raise FieldError(column, str(error)) from None


def short(text: str, limit: int = 200) -> str:
    """A name or label, cut to what the table holds."""
    return text.strip()[:limit]
