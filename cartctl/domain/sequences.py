"""What a sequence is: its steps, as written in templates/NAME/sequence.toml, checked down to the last key."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from cartctl.domain.attributes import Attribute, Check, parse_attributes, parse_checks
from cartctl.domain.money import check_currency, parse_amount
from cartctl.domain.segments import Segment, parse_segments
from cartctl.domain.times import NoOffsetError, parse_duration, parse_instant
from cartctl.domain.variables import RESERVED, Variable, parse_variables
from cartctl.domain.variants import ENGLISH
from cartctl.domain.written import check_keys, check_texts, tables
from cartctl.errors import ConfigurationError
from cartctl.suggest import did_you_mean

CART_ABANDONED = "cart-abandoned"
ENROLLED = "enrolled"
TRIGGERS = (CART_ABANDONED, ENROLLED)
PURCHASED, UNSUBSCRIBED, BOOKED = "purchased", "unsubscribed", "booked"
STOPS = (PURCHASED, UNSUBSCRIBED, BOOKED)
MUST_STOP = {CART_ABANDONED: (PURCHASED, UNSUBSCRIBED), ENROLLED: (UNSUBSCRIBED,)}
"""By trigger: what always ends a sequence. It is the default too."""
TRANSPORTS = ("outbox", "sendgrid", "resend", "smtp")
ON_COOLDOWN = ("without", "skip")
TREATED, HOLDOUT = "treated", "holdout"
"""The arms of a sequence with a holdout."""
MOST_HELD_OUT = 50
_OF_CARTS = ("start_at", "holdout")
_OF_CONTACTS = ("attributes", "check", "segment")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One mail of a sequence. `key` is permanent: messages refer to it."""

    key: str
    after: timedelta
    """From the moment the shopper went away, or the contact was enrolled."""
    subject: str
    test_after: timedelta | None = None
    """The same in a test; None: `after`, as many times faster as `time_scale` says."""
    min_gap: timedelta | None = None
    """Since the latest message to the same contact; None: the configured `sending.min_gap`."""
    coupon: str | None = None
    """A coupon: each message gets an imported code of its own, else that of `[coupons]`; with neither it is skipped."""
    min_total: Mapping[str, Decimal] = field(default_factory=dict)
    """Per currency; carts below it, or in another currency, skip the step."""
    on_cooldown: str = "without"
    """What who had a code lately gets: the step "without" one, or nothing ("skip")."""

    def faster(self, times: float) -> "Step":
        """Return the step for tests: as `test_after` says, without a gap; else with delays so many times as short."""
        if self.test_after is not None:
            return replace(self, after=self.test_after, min_gap=timedelta(0))
        gap = None if self.min_gap is None else self.min_gap / times
        return replace(self, after=self.after / times, min_gap=gap)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """A named series of steps, in the order in which they are sent."""

    name: str
    trigger: str
    stop_when: frozenset[str]
    steps: tuple[Step, ...]
    start_at: datetime | None = None
    """Carts abandoned before it are recorded, never written to."""
    holdout: float = 0
    """Percent of the contacts that are drawn never to be written to, to measure against; 0: none."""
    language: str = ENGLISH
    """Of the texts whose file names do not say one."""
    transport: str = ""
    """What carries its mails; "": the configured one."""
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    segments: tuple[Segment, ...] = ()
    variables: tuple[Variable, ...] = ()
    """What its texts may say besides."""

    def segment(self, key: str) -> Segment | None:
        return next((segment for segment in self.segments if segment.key == key), None)

    def step(self, key: str) -> Step | None:
        return next((step for step in self.steps if step.key == key), None)

    def next_step(self, done: frozenset[str] | set[str]) -> Step | None:
        """Return the first step behind every step in `done`; None when the sequence is finished.

        A step put in before one that was already sent is not sent any more: mails never go backwards.
        """
        last = max((i for i, step in enumerate(self.steps) if step.key in done), default=-1)
        return self.steps[last + 1] if last + 1 < len(self.steps) else None


def parse_sequence(name: str, data: Mapping[str, Any], *, where: str) -> Sequence:
    """Check the parsed TOML of one sequence. `where` (a path) opens every error. Raises ConfigurationError."""
    try:
        return _sequence(name, data)
    except ValueError as error:
        raise ConfigurationError(f"{where}: {error}") from None


def _sequence(name: str, data: Mapping[str, Any]) -> Sequence:
    optional = ("stop_when", "transport", "language", "variables", *_OF_CARTS, *_OF_CONTACTS)
    check_keys(data, required=("trigger", "step"), optional=optional)
    trigger = data["trigger"]
    if trigger not in TRIGGERS:
        raise ValueError(f'unknown trigger "{trigger}"{did_you_mean(str(trigger), TRIGGERS)}')
    for key in _OF_CONTACTS if trigger == CART_ABANDONED else _OF_CARTS:
        if key in data:
            other = ENROLLED if trigger == CART_ABANDONED else CART_ABANDONED
            raise ValueError(f'"{key}" belongs to sequences with trigger = "{other}"')
    transport = data.get("transport", "")
    if transport and transport not in TRANSPORTS:
        raise ValueError(f'transport: unknown "{transport}"{did_you_mean(str(transport), TRANSPORTS)}')
    attributes = parse_attributes(data.get("attributes", {}))
    if taken := sorted(RESERVED & attributes.keys()):
        raise ValueError(f'attribute "{taken[0]}": every template has this name already: take another one')
    return Sequence(
        name=name,
        trigger=trigger,
        stop_when=_stop_when(data.get("stop_when", list(MUST_STOP[trigger])), trigger),
        steps=_steps(data["step"], trigger),
        start_at=_start_at(data.get("start_at")),
        holdout=_holdout(data.get("holdout", 0)),
        language=_language(data.get("language", ENGLISH)),
        transport=transport,
        attributes=attributes,
        checks=parse_checks(data["check"]) if "check" in data else (),
        segments=parse_segments(data["segment"]) if "segment" in data else (),
        variables=parse_variables(data.get("variables", {}), attributes),
    )


def _stop_when(stop_when: Any, trigger: str) -> frozenset[str]:
    if not isinstance(stop_when, list) or not all(isinstance(stop, str) for stop in stop_when):
        raise ValueError('stop_when is a list of words, such as ["purchased", "unsubscribed"]')
    for stop in stop_when:
        if stop not in STOPS:
            raise ValueError(f'stop_when: unknown "{stop}"{did_you_mean(stop, STOPS)}')
    if missing := set(MUST_STOP[trigger]) - set(stop_when):
        whose = "cart mail goes to a buyer or" if trigger == CART_ABANDONED else "mail goes"
        raise ValueError(f"stop_when must contain {', '.join(sorted(missing))}: no {whose} against a will")
    return frozenset(stop_when)


def _steps(data: Any, trigger: str) -> tuple[Step, ...]:
    steps: list[Step] = []
    for number, table in enumerate(tables(data, "[[step]]"), start=1):
        label = f'step "{table["key"]}"' if isinstance(table.get("key"), str) else f"step {number}"
        try:
            step = _step(table)
            if trigger != CART_ABANDONED and step.min_total:
                raise ValueError(f'"min_total" belongs to sequences with trigger = "{CART_ABANDONED}"')
            if any(step.key == other.key for other in steps):
                raise ValueError("this key stands twice")
            if steps:
                _check_order(step, steps[-1])
        except ValueError as error:
            raise ValueError(f"{label}: {error}") from None
        steps.append(step)
    return tuple(steps)


def _check_order(step: Step, before: Step) -> None:
    if step.after < before.after:
        raise ValueError(f'"after" is earlier than that of step "{before.key}" before it')
    if (step.test_after is None) != (before.test_after is None):
        raise ValueError('"test_after" belongs to every step of a sequence or to none')
    if step.test_after is not None and before.test_after is not None and step.test_after < before.test_after:
        raise ValueError(f'"test_after" is earlier than that of step "{before.key}" before it')


def _step(table: Mapping[str, Any]) -> Step:
    optional = ("test_after", "min_gap", "coupon", "min_total", "on_cooldown")
    check_keys(table, required=("key", "after", "subject"), optional=optional)
    check_texts(table, ("key", "after", "test_after", "subject", "min_gap", "coupon", "on_cooldown"))
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,59}", table["key"]):
        raise ValueError("a key is made of a-z, 0-9, - and _, 60 at most")
    on_cooldown = table.get("on_cooldown", ON_COOLDOWN[0])
    if on_cooldown not in ON_COOLDOWN:
        raise ValueError(f'on_cooldown: unknown "{on_cooldown}"{did_you_mean(on_cooldown, ON_COOLDOWN)}')
    return Step(
        key=table["key"],
        after=_duration(table, "after"),
        subject=table["subject"],
        test_after=_duration(table, "test_after") if "test_after" in table else None,
        min_gap=_duration(table, "min_gap") if "min_gap" in table else None,
        coupon=table.get("coupon"),
        min_total=_min_total(table.get("min_total", {})),
        on_cooldown=on_cooldown,
    )


def _duration(table: Mapping[str, Any], key: str) -> timedelta:
    try:
        return parse_duration(table[key])
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None


def _min_total(table: Any) -> dict[str, Decimal]:
    if not isinstance(table, dict):
        raise ValueError('min_total is a table of amounts by currency, such as { USD = "20.00" }')
    try:
        return {check_currency(currency): parse_amount(str(amount)) for currency, amount in table.items()}
    except ValueError as error:
        raise ValueError(f"min_total: {error}") from None


def _start_at(value: Any) -> datetime | None:
    if value is None:
        return None
    try:
        return parse_instant(value.isoformat() if isinstance(value, datetime) else str(value))
    except NoOffsetError as error:
        raise ValueError(f"start_at: {error}: append one, such as Z or +01:00") from None
    except ValueError as error:
        raise ValueError(f"start_at: {error}") from None


def _holdout(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_HELD_OUT:
        raise ValueError(f"holdout is a percentage from 0 to {MOST_HELD_OUT}, such as 10")
    return float(value)


def _language(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch("[a-z]{2,3}", value):
        raise ValueError('language is the code of one, such as "en" or "de"')
    return value
