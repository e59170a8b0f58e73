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

_PLAIN_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)")


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


def parse_amount(text: str) -> Decimal:
    """Read a plain decimal such as `1234.50`. Raises ValueError for anything else, negative or absurd amounts too."""
    plain = text.strip()
    # Decimal alone would read 1_000, Arabic digits, and the 1E+3 to which a spreadsheet has rounded.
    if not _PLAIN_DECIMAL.fullmatch(plain):
        raise ValueError(f'"{text}" is no number (1234.50 is)')
    amount = Decimal(plain)
    if amount < 0:
        raise ValueError(f'"{text}" is negative')
    if amount > MAX_AMOUNT:
        raise ValueError(f'"{text}" is too large to be a price')
    return abs(amount)  # -0.00 is no less than nothing


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
