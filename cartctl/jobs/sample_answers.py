"""What a sequence for contacts may know of somebody, made up: for checks and previews of its mails."""

from collections.abc import Callable, Mapping
from datetime import date
from itertools import islice, product
from typing import TypeVar

from cartctl.domain.attributes import Attribute, Value
from cartctl.domain.segments import Segment
from cartctl.domain.sequences import Sequence
from cartctl.errors import TemplateError
from cartctl.mail.expressions import holds, names_in

_T = TypeVar("_T")
_MOST_TRIED = 20_000
_EACH_TRIED = 20
"""Whole numbers with no more than so many values between their bounds are tried one by one."""


class RuleError(TemplateError):
    """A check, or the rule of `segment`, that cannot be worked out."""

    def __init__(self, segment: str, fault: str) -> None:
        super().__init__(f'segment "{segment}": {fault}' if segment else f"check {fault}")
        self.segment = segment


def sample_attributes(sequence: Sequence) -> dict[str, list[dict[str, Value]]]:
    """Return by segment ("" where a sequence has none) two contacts that pass its checks, or none where none is found.

    What checks and rules ask for is tried out within its range, in order; the first that fits a segment, with the rest
    as low as it may be, and the last, with the rest as high. Raises RuleError for an expression that has no outcome.
    """
    rules: list[tuple[str, Segment | None]] = [(check.that, None) for check in sequence.checks]
    rules += [(segment.when, segment) for segment in sequence.segments if segment.when]
    asked = sorted(frozenset().union(*(_work_out(names_in, *rule) for rule in rules)) & sequence.attributes.keys())
    tried = {name: _tried(attribute) for name, attribute in sequence.attributes.items()}
    low, high = ({name: values[end] for name, values in tried.items()} for end in (0, -1))
    found: dict[str, list[dict[str, Value]]] = {segment.key: [] for segment in sequence.segments} or {"": []}
    for values in islice(product(*(tried[name] for name in asked)), _MOST_TRIED):
        chosen = dict(zip(asked, values, strict=True))
        known = low | chosen
        if all(_work_out(_holding(known), check.that) for check in sequence.checks):
            fits = (
                segment.key
                for segment in sequence.segments
                if not segment.when or _work_out(_holding(known), segment.when, segment)
            )
            key = next(fits, "")
            found[key] = [*found[key][:1], high | chosen] if found[key] else [known]
    return found


def _holding(known: Mapping[str, Value]) -> Callable[[str], bool]:
    return lambda expression: holds(expression, known)


def _work_out(ask: Callable[[str], _T], expression: str, segment: Segment | None = None) -> _T:
    try:
        return ask(expression)
    except TemplateError as error:
        raise RuleError(segment.key if segment else "", str(error)) from None


def _tried(attribute: Attribute) -> list[Value]:
    """Return what a sample may have of an attribute, lowest first."""
    match attribute.type:
        case "boolean":
            return [False, True]
        case "text":
            return [attribute.default or "Sample"]
        case "date":
            return [attribute.default or date(2026, 12, 1)]
    low = int(attribute.min or 0)
    high = int(attribute.max) if attribute.max is not None else low + 84_500
    if high - low <= _EACH_TRIED:
        return list(range(low, high + 1))
    return [low, (low + high) // 2, high]
