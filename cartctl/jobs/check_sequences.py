"""Render every step of every sequence on sample carts, odd ones among them, and name what fails.

A template that fails does so here, before a sequence runs, and not in a shopper's mail.
"""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Sequence as Ordered
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import cycle, product
from typing import Any

from cartctl.domain.attributes import Value
from cartctl.domain.carts import Item
from cartctl.domain.money import UNKNOWN_CURRENCY, Money, total
from cartctl.domain.sequences import CART_ABANDONED, Sequence, Step
from cartctl.errors import TemplateError
from cartctl.jobs.sample_answers import sample_attributes
from cartctl.mail.facts import MailFacts, Rendered
from cartctl.mail.render import Renderer

_ON_COOLDOWN = (
    "reads the same without a code, which is what shoppers get who had one lately: "
    'write {% if coupon %} into its templates, or set on_cooldown = "skip"'
)
_NOBODY = "no answers were found that fit segment {}: its texts were tried on those of another"


@dataclass(frozen=True, slots=True)
class Check:
    """What was rendered; `problems` keep mails from being sent, `hints` do not."""

    steps: int
    rendered: int
    problems: tuple[str, ...]
    hints: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "steps": self.steps,
            "rendered": self.rendered,
            "problems": list(self.problems),
            "hints": list(self.hints),
        }


def run(sequences: Mapping[str, Sequence], renderer: Renderer, *, coupons: Mapping[str, str], now: datetime) -> Check:
    """Render all steps as at `now`. Each problem names the template or the step, the fault, and the first sample.

    Raises TemplateError for a check or a segment's rule that cannot be worked out.
    """
    problems: dict[str, str] = {}
    hints: list[str] = []
    steps = rendered = 0
    for sequence in sequences.values():
        known = sample_attributes(sequence)
        hints += [f"{sequence.name}: {_NOBODY.format(segment)}" for segment in known if not known[segment]]
        for step in sequence.steps:
            steps += 1
            where = f"{sequence.name}/{step.key}"
            if step.coupon and step.coupon not in coupons:
                hints.append(
                    f"{where}: no [coupons] {step.coupon} is configured: without imported codes the step is skipped"
                )
            for name, right in renderer.misnamed(sequence, step).items():
                hints.append(f"{name}: nobody gets it: call it {right}")
            hints.extend(
                f'{where}: no shared/locales/{locale}.toml: "Total" and the like are said in English'
                for locale in (sequence.language, *renderer.locales(sequence, step))
                if not renderer.has_words(locale)
            )
            for name, facts in _samples(sequence, step, coupons, renderer.locales(sequence, step), known):
                try:
                    mail = renderer.render(sequence, step, replace(facts, sent_at=now))
                except TemplateError as error:
                    problems.setdefault(f"{error}{_advice(error, sequence, step, facts.segment)}", name)
                    continue
                rendered += 1
                for fault in _missing(mail, facts):
                    problems.setdefault(f"{where}: {fault}", name)
                if _speaks_of_a_code(renderer, sequence, step, facts, mail):
                    hints.append(f"{where}: {_ON_COOLDOWN}")
    named = tuple(f"{problem} (sample cart: {name})" for problem, name in problems.items())
    return Check(steps, rendered, named, tuple(dict.fromkeys(hints)))


def _advice(error: TemplateError, sequence: Sequence, step: Step, segment: str) -> str:
    """Say what to write where a segment has neither a text of its own nor the one for all."""
    if not segment or error.template != f"{sequence.name}/{step.key}.mjml" or "no such template" not in error.fault:
        return ""
    return f": write {step.key}@{segment}.mjml for the segment, or {step.key}.mjml for all"


def _samples(
    sequence: Sequence,
    step: Step,
    coupons: Mapping[str, str],
    locales: Iterable[str],
    known: Mapping[str, Ordered[Mapping[str, Value]]],
) -> Iterator[tuple[str, MailFacts]]:
    """Yield sample carts, or contacts of each segment: with the step's code, and without one where it may be sent so.

    All in each locale. `known` holds by segment attributes that fit it.
    """
    codes = [coupons.get(step.coupon, "SAMPLE10") if step.coupon else ""]
    if step.coupon and step.on_cooldown == "without":
        codes.append("")
    people = sample_carts if sequence.trigger == CART_ABANDONED else sample_contacts
    for segment, code in product(known, codes):
        attributes = cycle(known[segment] or next(filter(None, known.values()), [{}]))
        for name, sample in people(coupon=code).items():
            label = f"{name}, segment {segment}" if segment else name
            label = label if code == codes[0] else f"{label}, without a code"
            facts = replace(sample, segment=segment, attributes=next(attributes))
            yield label, facts
            yield from ((f"{label}, in {locale}", replace(facts, locale=locale)) for locale in locales)


def _speaks_of_a_code(renderer: Renderer, sequence: Sequence, step: Step, facts: MailFacts, mail: Rendered) -> bool:
    """Say whether a text without a code is that with one, and a hole in it."""
    if facts.coupon or not step.coupon:
        return False
    mark = "SAMPLE-CODE"
    with_code = renderer.render(sequence, step, replace(facts, coupon=mark)).text
    return mark in with_code and with_code.replace(mark, "") == mail.text


def _missing(mail: Rendered, facts: MailFacts) -> Iterator[str]:
    """Name what every mail must hold and this one does not."""
    needed = {
        "recovery link": facts.recovery_link,
        "unsubscribe link": facts.unsubscribe_link,
        "postal address": facts.postal_address,
    }
    for part, content in (("HTML", mail.html), ("text", mail.text)):
        for what, text in needed.items():
            if text not in content:
                yield f"the {part} part has no {what}"
    if not mail.subject:
        yield "the subject is empty"


def sample_carts(*, coupon: str) -> dict[str, MailFacts]:
    """Return invented carts: the usual one, and those that break careless templates."""
    mug = Item(name="Blue mug", variant="large", sku="MUG-L", quantity=2, unit_price=Decimal("12.50"))
    pictured = Item(name="Tea, 250 g", unit_price=Decimal("5.00"), image_url="https://shop.example.com/tea.png")
    bare = Item(name="A thing without price, picture or variant")
    long = Item(name="Ünïcode <b>& markup</b> " * 12, unit_price=Decimal(1))
    return {
        "usual": _facts("Anna", (mug, pictured), "EUR", "en_GB", coupon),
        "bare": replace(_facts("", (bare,), UNKNOWN_CURRENCY, "", coupon), shop_url=""),
        "forty lines": _facts("Bo", (mug,) * 40, "JPY", "ja_JP", coupon),
        "markup and length": _facts("<script>", (long,), "KWD", "ar_KW", coupon),
        "total only": _facts("Cleo", (), "USD", "en_US", coupon, amount="49.90"),
    }


def sample_contacts(*, coupon: str) -> dict[str, MailFacts]:
    """Return invented people without a cart."""
    carts = sample_carts(coupon=coupon)
    nothing = Money.of(Decimal(0), UNKNOWN_CURRENCY)
    found = {
        name: replace(carts[name], recovery_link="", items=(), currency=UNKNOWN_CURRENCY, total=nothing)
        for name in ("usual", "bare", "markup and length")
    }
    return found | {"usual": replace(found["usual"], business_name="Fern & Kettle")}


def _facts(
    first_name: str, items: tuple[Item, ...], currency: str, locale: str, coupon: str, *, amount: str | None = None
) -> MailFacts:
    lines = [Money.of(item.unit_price, currency) * item.quantity for item in items if item.unit_price is not None]
    return MailFacts(
        first_name=first_name,
        items=items,
        currency=currency,
        total=Money.of(Decimal(amount), currency) if amount else total(lines, currency),
        locale=locale,
        brand="Example Shop",
        shop_url="https://shop.example.com",
        logo="https://shop.example.com/logo.png",
        support="help@shop.example.com",
        postal_address="Example Shop, 1 Example Street, Exampletown",
        recovery_link="https://mail.example.com/r/sample-token",
        unsubscribe_link="https://mail.example.com/u/sample-token",
        link_valid_until=datetime(2026, 12, 24, tzinfo=UTC),
        coupon=coupon,
        sent_at=datetime(2026, 11, 24, tzinfo=UTC),
    )
