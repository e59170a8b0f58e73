"""What the orders of all platforms share: one vocabulary of statuses, what a refund leaves, and what one may lack.

The words that mean "never bought" are those of `purchase.not_purchases` (failed, voided, cancelled, expired), so each
platform's own words for them are put into these. Every other status stays as the platform spells it, in lower case.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal

from cartctl.importers import fields
from cartctl.importers.fields import FieldError, UndecidedAmountError
from cartctl.importers.records import Context, Note, OrderLine

NEVER_PLACED = "never placed"
"""What a platform's word means that stands for no order at all: its rows are ignored, with these words."""
_SHOWN = 5


class Statuses:
    """The status words of one platform. A word that it does not know counts as bought, and is named at the end."""

    def __init__(self, meanings: Mapping[str, str]) -> None:
        self._meanings = {_folded(word): meaning for word, meaning in meanings.items()}
        self._unknown: set[str] = set()

    def meaning(self, text: str) -> str:
        """Return the status as cartctl spells it, or NEVER_PLACED."""
        word = _folded(text)[:40]
        found = self._meanings.get(word)
        if found is None and word:
            if len(self._unknown) <= _SHOWN and re.fullmatch(r"[^\W\d_]+([ -][^\W\d_]+)*", word):
                self._unknown.add(word)
            return word
        return found or ""

    def notes(self) -> Iterator[Note]:
        """Name the words that are not known; none that could be anything but a word."""
        if self._unknown:
            named = ", ".join(sorted(self._unknown)[:_SHOWN]) + (" …" if len(self._unknown) > _SHOWN else "")
            yield Note(
                f"these statuses are not known and count as bought: {named}; "
                "those that do not belong into purchase.not_purchases"
            )


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).lower().split())


def refunded(status: str, amount: Decimal | None, total: Decimal | None) -> Decimal:
    """Return what was given back. An order that is `refunded` was bought, and nothing of it is left."""
    if status == "refunded" and not amount:
        return total or Decimal(0)
    return amount or Decimal(0)


class Kept:
    """Reads what one order may lack: rejected for the sake of it, the order would leave its buyer to be mailed."""

    def __init__(self) -> None:
        self._email: FieldError | None = None
        self._notes: list[str] = []
        self.lacks_currency = False
        """Whether the currency could not be read: then no amount of the order counts."""

    @property
    def lacks_email(self) -> bool:
        """Whether the address could not be read."""
        return self._email is not None

    def email(self, text: str, column: str) -> str | None:
        """Return the folded address; None for a blank and for what is none (see `line`)."""
        try:
            return fields.email(text, column)
        except FieldError as error:
            self._email = error
            return None

    def amount(self, text: str, column: str, *, required: bool = False) -> Decimal | None:
        """Return the amount; None for a blank (noted where it is `required`) and for what is none, a negative one too.

        Raises UndecidedAmountError, as `fields.amount` does: the column may tell.
        """
        try:
            found = fields.amount(text, column)
        except UndecidedAmountError:
            raise
        except fields.CurrencyNeededError:
            self._notes.append(f"{column}: means nothing without its currency (1.234): name it with --currency")
            return None
        except FieldError:
            self._notes.append(f"{column}: is no amount in some orders: they are kept, and it counts as blank there")
            return None
        if found is None and required:
            self._notes.append(f"{column}: is blank in some orders: they are kept without it")
        return found

    def money(self, total: Decimal | None, currency: str, column: str, context: Context) -> tuple[Decimal | None, str]:
        """Return total and currency. Where the currency cannot be read, nobody knows what the amount is: None."""
        try:
            return total, fields.currency(currency, column, context)
        except FieldError:
            self.lacks_currency = True
            self._notes.append(f"{column}: is no currency in some orders: they are kept without an amount")
            return None, context.currency

    def line(self, line: OrderLine) -> OrderLine:
        """Return the line with its notes. Raises the address's FieldError where nothing else says whose order it is."""
        if self._email is not None:
            if line.order is None or not line.order.can_match:
                raise self._email
            self._notes.append(
                f"{self._email.column}: is no e-mail address in some orders: they are kept without it, since something "
                "else in them says whose they are"
            )
        return replace(line, notes=tuple(self._notes))


class CarriedId:
    """The id of the order that a row belongs to: its own, or on a row where it is blank that of the row before."""

    def __init__(self) -> None:
        self._last = ""

    def of(self, text: str, column: str) -> str:
        """Raises FieldError for an id that cannot be read, and for a blank where none came before."""
        if not text.strip() and self._last:
            return self._last
        self._last = ""  # what follows an id that cannot be read belongs to nobody
        self._last = fields.identifier(text, column)
        return self._last


def phone(*candidates: tuple[str, str | None]) -> str | None:
    """Return the first of the numbers, each with the country it is written in, that is one. Masked ones are none."""
    return next(
        (found for text, country in candidates if "*" not in text and (found := fields.phone(text, country))), None
    )
