"""Money: an exact amount in one currency. Never a float, never summed across currencies.

Minor units follow ISO 4217 (the list of active codes, and the exponents that are not 2).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Self

UNKNOWN_CURRENCY = "XXX"
"""ISO 4217's own code for "no currency": used where an export names none."""

_EXPONENT_NOT_2 = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
    **dict.fromkeys("CLF UYW".split(), 4),
}
CURRENCIES = frozenset(
    """AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF
    CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ
    GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD
    MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG
    QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS
    UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG""".split()
) | {UNKNOWN_CURRENCY}

MAX_AMOUNT = Decimal(10) ** 12
"""Above this an amount is taken for a mistake (a phone number in the price column, say)."""

_LONGEST = 60
_PLAIN_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)")
_AMBIGUOUS = re.compile(r"[1-9][0-9]{0,2}[.,][0-9]{3}")
_SIGNS = "$¢£¤¥֏؋৲৳૱௹฿៛₠₡₢₣₤₥₦₧₨₩₪₫€₭₮₯₰₱₲₳₴₵₶₷₸₹₺₻₼₽₾₿﷼﹩＄￠￡￥￦"
_MARK = rf"(?:[A-Za-zÀ-žА-я]{{0,4}}\.?\s?[{_SIGNS}]|[{_SIGNS}]?\s?[A-Za-zÀ-žА-я]{{1,4}}\.?)"
_MARKED = re.compile(
    rf"(?P<before>{_MARK})?\s*(?P<number>[+-]?[0-9.,'’\s]*[0-9][.,]?)\s*(?P<after>{_MARK})?(?:(?<=[.,])--?)?"
)
"""A number with a currency before or behind it; Swiss and German shops write `12.-` and `12,-`."""
_GROUPED = re.compile(r"[0-9]{1,3}((?P<mark>[.,' ])[0-9]{3})((?P=mark)[0-9]{3})*|[0-9]{1,2}(,[0-9]{2})+,[0-9]{3}")
"""Thousands; in India, lakhs too (1,23,456)."""
_ABBREVIATIONS = frozenset("KR ZŁ ZL KČ KC RS TK LEI FT RM RP SFR FR DH LV DKR SKR NKR IKR S ДИН РУБ ЛВ ГРН".split())
"""Currencies as shops write them, beside the signs and the codes."""


class CurrencyError(ValueError):
    """Not an ISO 4217 code, or two currencies where one is needed."""


def check_currency(code: str) -> str:
    """Return the code in upper case, or raise CurrencyError."""
    upper = code.strip().upper()
    if upper not in CURRENCIES:
        raise CurrencyError(f'"{code}" is no ISO 4217 currency code (three letters, such as EUR)')
    return upper


def exponent(currency: str) -> int:
    """Return how many decimals the currency has: 2 for EUR, 0 for JPY, 3 for KWD."""
    return _EXPONENT_NOT_2.get(currency, 2)


class AmbiguousAmountError(ValueError):
    """`1,234` or `1.234`, and nothing tells whether that is one or a thousand."""


def parse_amount(text: str) -> Decimal:
    """Read a plain decimal such as `1234.50`. Raises ValueError for anything else, negative or absurd amounts too."""
    plain = text.strip()
    # Decimal alone would read 1_000, Arabic digits, and the 1E+3 to which a spreadsheet has rounded.
    if len(plain) > _LONGEST or not _PLAIN_DECIMAL.fullmatch(plain):
        raise ValueError(f'"{plain[:_LONGEST]}" is no number (1234.50 is)')
    return _priced(plain, text)


def read_amount(text: str, decimal: str = "") -> Decimal:
    """Read `1234.50`, `1,234.50`, `1.234,56 €`, `US$ 1 234,50`. Raises ValueError for what is no amount of money.

    `decimal` says which of `.` and `,` the column writes before decimals; it matters for three digits behind a single
    one only. Where that is not known ("") these raise AmbiguousAmountError.
    """
    plain = text.strip()
    if len(plain) <= _LONGEST and _PLAIN_DECIMAL.fullmatch(plain) and not _AMBIGUOUS.fullmatch(plain):
        return _priced(plain, text)
    return _priced(_plain(text, decimal), text)


def _priced(plain: str, text: str) -> Decimal:
    amount = Decimal(plain)
    if amount < 0:
        raise ValueError(f'"{text}" is negative')
    if amount > MAX_AMOUNT:
        raise ValueError(f'"{text}" is too large to be a price')
    return abs(amount)  # -0.00 is no less than nothing


def decimal_sign(text: str) -> str:
    """Return which of `.` and `,` stands before decimals in this amount; "" where it does not show."""
    try:
        number, _ = _number(text)
    except ValueError:
        return ""
    for sign, other in (".,", ",."):
        if number.count(sign) > 1:
            return other  # of several, all part thousands
        if sign in number and not _AMBIGUOUS.fullmatch(number) and number.rfind(other) < number.index(sign):
            return sign
    return ""


def _plain(text: str, decimal: str) -> str:
    """Rewrite an amount as Decimal reads it."""
    number, marked = _number(text)
    unsigned = number.lstrip("+-")
    sign = decimal_sign(unsigned)
    if _AMBIGUOUS.fullmatch(unsigned):
        separator = unsigned.strip("0123456789")
        if marked and not decimal:  # the currencies with three decimals have no sign: $1,234 can only be thousands
            decimal = "." if separator == "," else ","
        if not decimal:
            both = f"{unsigned.replace(separator, '')} or {unsigned.replace(separator, '.')}"
            raise AmbiguousAmountError(f'"{text}" may be {both}: write it without thousands separators')
        sign = decimal
    whole, _, decimals = unsigned.partition(sign) if sign else (unsigned, "", "")
    if not whole.isdigit() and whole and not _GROUPED.fullmatch(whole):
        raise ValueError(f'"{text}" is no number (1234.50 is)')
    if decimals and not decimals.isdigit():
        raise ValueError(f'"{text}" is no number (1234.50 is)')
    digits = re.sub(r"[^0-9]", "", whole)
    return f"{number.removesuffix(unsigned)}{digits or '0'}" + (f".{decimals}" if decimals else "")


def _number(text: str) -> tuple[str, bool]:
    """Return the number without its currency, and whether a currency's sign stood beside it. Raises ValueError."""
    stripped = text.strip()
    sign = stripped[:1] if stripped[:1] in "+-" else ""
    match = _MARKED.fullmatch(stripped.removeprefix(sign).strip()) if len(stripped) <= _LONGEST else None
    if match is None or (match["before"] and match["after"]) or (sign and match["number"][0] in "+-"):
        raise ValueError(f'"{text[:_LONGEST]}" is no number (1234.50 is)')
    mark = (match["before"] or match["after"] or "").strip(". ")
    letters = mark.strip(_SIGNS).strip(". ").upper()
    if letters and letters == mark.upper() and letters not in CURRENCIES | _ABBREVIATIONS:
        raise ValueError(f'"{text}" is no number (1234.50 is)')
    number = re.sub(r"\s", " ", match["number"].strip()).replace("’", "'")
    return sign + number, letters != mark.upper()


@dataclass(frozen=True, slots=True)
class Money:
    """An amount, already rounded to the currency's minor units."""

    amount: Decimal
    currency: str

    @classmethod
    def of(cls, amount: Decimal, currency: str) -> Self:
        """Round half even to the currency's minor units."""
        step = Decimal(1).scaleb(-exponent(currency))
        return cls(amount.quantize(step, rounding=ROUND_HALF_EVEN), currency)

    @classmethod
    def from_minor(cls, minor: int, currency: str) -> Self:
        return cls(Decimal(minor).scaleb(-exponent(currency)), currency)

    @property
    def minor(self) -> int:
        """The amount in minor units: 4990 for EUR 49.90, 500 for JPY 500."""
        return int(self.amount.scaleb(exponent(self.currency)))

    def __str__(self) -> str:
        return f"{self.amount:.{exponent(self.currency)}f}"

    def __add__(self, other: Self) -> "Money":
        if other.currency != self.currency:
            raise CurrencyError(f"{self.currency} and {other.currency} cannot be added")
        return Money(self.amount + other.amount, self.currency)

    def __mul__(self, quantity: int) -> "Money":
        return Money(self.amount * quantity, self.currency)


def total(amounts: Iterable[Money], currency: str) -> Money:
    """Add up amounts of one currency; nothing adds up to zero."""
    result = Money.from_minor(0, currency)
    for amount in amounts:
        result += amount
    return result
