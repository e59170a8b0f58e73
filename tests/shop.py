"""A shop to tell stories with: carts, orders and days, all through the command line.

Times are offsets from T0, written as people say them: `shop.run("24h")`. Every name and address is invented.
"""

import contextlib
import csv
import email
import email.policy
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from cartctl.cli import main
from cartctl.domain.times import parse_duration

T0 = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
"""A Monday morning."""
TICKS = ("30m", "35m", "6h", "24h", "24h5m", "48h", "48h5m", "72h", "168h")
"""Seven days, with a tick at each step's very moment."""
ANNA = "anna@example.com"


def at(offset: str) -> datetime:
    """`at("30m")` is half an hour after T0, `at("-2h")` two hours before."""
    if offset.startswith("-"):
        return T0 - parse_duration(offset[1:])
    return T0 + parse_duration(offset)


def iso(offset: str) -> str:
    return at(offset).isoformat()


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    exit_code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Cli:
    """Runs `cartctl …` in this process; its output is kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *arguments: str | Path, ok: bool = True) -> Outcome:
        """Run a command. With `ok` (the default) anything but exit code 0 fails the test."""
        out, err = io.StringIO(), io.StringIO()
        code: Any = 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main([str(argument) for argument in arguments])
            except SystemExit as end:
                code = end.code or 0
        outcome = Outcome(int(code), out.getvalue(), err.getvalue())
        if ok:
            assert outcome.exit_code == 0, outcome
        return outcome


@dataclass(frozen=True)
class Mail:
    """One mail of the outbox."""

    path: Path
    message: EmailMessage

    @property
    def step(self) -> str:
        return self.path.stem.rpartition("-")[2]

    @property
    def to(self) -> str:
        return str(self.message["To"])

    @property
    def sent(self) -> timedelta:
        """How long after T0 it left, to the minute."""
        seconds = (email.utils.parsedate_to_datetime(str(self.message["Date"])) - T0).total_seconds()
        return timedelta(minutes=int(seconds // 60))

    def part(self, kind: str) -> str:
        part = self.message.get_body((kind,))
        assert part is not None
        return str(part.get_content())


def cart(cart_id: str = "c-1", *, seen: str = "0m", email: str = "anna@example.com", **columns: str) -> dict[str, str]:
    """One row of the native carts CSV, last touched at `seen`."""
    row = {
        "cart_id": cart_id,
        "updated_at": iso(seen),
        "email": email,
        "currency": "EUR",
        "product_name": "Blue mug",
        "quantity": "1",
        "unit_price": "49.90",
    }
    return row | columns


def order(order_id: str = "o-1", *, placed: str = "1h", **columns: str) -> dict[str, str]:
    """One row of the native orders CSV, placed at `placed`."""
    row = {"order_id": order_id, "placed_at": iso(placed), "email": "", "currency": "EUR", "total": "49.90"}
    return row | columns


class Shop:
    """The folder of one shop: its configuration, its database, its outbox."""

    def __init__(self, cli: Cli, folder: Path, *, database_url: str | None = None) -> None:
        self.cli, self.folder = cli, folder
        self._files = 0
        self._database = f'database = "{database_url}"\n' if database_url else ""
        self.configure("")

    def configure(self, text: str) -> None:
        """Write cartctl.toml anew. Unless the text has its own tables: the offer's coupon, and orders of any age."""
        coupons = "" if "[coupons]" in text else '\n[coupons]\nrecovery10 = "BACK10"\n'
        safety = "" if "[safety]" in text else '\n[safety]\norders_max_age = "0"\n'
        database = "" if "database = " in text else self._database
        whole = database + text + coupons + safety
        (self.folder / "cartctl.toml").write_text(whole, encoding="utf-8")

    def carts(self, *rows: Mapping[str, str], when: str, ok: bool = True) -> Outcome:
        return self._import("carts", rows, when, ok=ok)

    def orders(self, *rows: Mapping[str, str], when: str, ok: bool = True) -> Outcome:
        return self._import("orders", rows, when, ok=ok)

    def _import(self, kind: str, rows: tuple[Mapping[str, str], ...], when: str, *, ok: bool) -> Outcome:
        self._files += 1
        path = write_csv(self.folder / f"{kind}-{self._files}.csv", *rows)
        return self.cli("import", kind, path, "--json", "--at", iso(when), ok=ok)

    def run(self, when: str, *options: str, ok: bool = True) -> dict[str, Any]:
        """Run run-due once, then once more at the same moment: the second run must find nothing to do."""
        first: dict[str, Any] = self.run_once(when, *options, ok=ok)
        second = self.run_once(when, ok=ok)
        assert (second["detected"], second["enrolled"], second["sent"]) == (0, 0, 0), second
        return first

    def run_once(self, when: str, *options: str, ok: bool = True) -> dict[str, Any]:
        result: dict[str, Any] = self.cli("run-due", "--json", "--at", iso(when), *options, ok=ok).json
        return result

    def report(self, when: str, *options: str) -> dict[str, Any]:
        result: dict[str, Any] = self.cli("report", "--json", "--at", iso(when), *options).json
        return result

    @property
    def mails(self) -> list[Mail]:
        """Everything in the outbox, in the order of message ids."""
        return [Mail(path, _parse(path)) for path in sorted((self.folder / "outbox").glob("*.eml"))]

    @property
    def sent(self) -> list[tuple[str, str, str]]:
        """(address, step, time since T0 as H:MM) of every mail, in the order of time."""
        rows = sorted((mail.sent, mail.to, mail.step) for mail in self.mails)
        return [(to, step, _clock(sent)) for sent, to, step in rows]


def live(shop: Shop, *ticks: str) -> None:
    """Let the shop live through these moments, or through seven days."""
    for tick in ticks or TICKS:
        shop.run(tick)


def _clock(sent: timedelta) -> str:
    hours, minutes = divmod(int(sent.total_seconds()) // 60, 60)
    return f"{hours}:{minutes:02d}"


def _parse(path: Path) -> EmailMessage:
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def write_csv(path: Path, *rows: Mapping[str, str]) -> Path:
    """Write rows as CSV; the columns are those of all rows together."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path
