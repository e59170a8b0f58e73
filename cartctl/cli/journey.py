"""A sequence as a picture: drawn from its sequence.toml and the names of its texts, and from nothing else."""

import re
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Sequence as Ordered

from cartctl.domain.attributes import Attribute
from cartctl.domain.segments import Segment
from cartctl.domain.sequences import CART_ABANDONED, Sequence, Step
from cartctl.domain.times import format_duration

Texts = Mapping[str, Ordered[str]]
"""By step: what its texts' names hold besides its key, such as `@urgent` or `.de`."""


def as_text(sequence: Sequence, texts: Texts) -> str:
    """Draw a sequence for a terminal, line by line."""
    return "\n".join(_lines(sequence, texts))


def _lines(sequence: Sequence, texts: Texts) -> Iterator[str]:
    yield f"{sequence.name}: {_begins(sequence)}"
    yield from (f"  needs {_attribute(attribute)}" for attribute in sequence.attributes.values())
    yield from (f"  check {check.that}, else: {check.otherwise}" for check in sequence.checks)
    width = max((len(segment.key) for segment in sequence.segments), default=0)
    yield from (f"  segment {segment.key:<{width}}  {_rule(segment)}" for segment in sequence.segments)
    width = max(len(step.key) for step in sequence.steps)
    for step in sequence.steps:
        about = "; ".join(_about(step, texts))
        yield f"  {format_duration(step.after):>6}  {step.key:<{width}}  {about}".rstrip()
    yield f"  ends when {', '.join(_ends(sequence))}, or after the last step"


def as_mermaid(sequences: Ordered[Sequence], texts: Callable[[Sequence], Texts]) -> str:
    """Draw sequences as one Mermaid flowchart."""
    lines = ["flowchart TD"]
    for number, sequence in enumerate(sequences, start=1):
        lines += [f"    {line}" for line in _flow(sequence, texts(sequence), f"{number}")]
    return "\n".join(lines)


def _flow(sequence: Sequence, texts: Texts, name: str) -> Iterator[str]:
    """Yield the lines of one sequence. Nodes are numbered, as keys may hold what Mermaid takes for its own."""
    yield f"start{name}([{_quoted(sequence.name, _begins(sequence))}])"
    if sequence.segments:
        yield f"start{name} --> which{name}{{{_quoted('which segment?')}}}"
    for place, segment in enumerate(sequence.segments, start=1):
        yield f"which{name} -->|{_quoted(_rule(segment))}| segment{name}_{place}[{_quoted(segment.key)}]"
        yield f"segment{name}_{place} --> step{name}_1"
    if not sequence.segments:
        yield f"start{name} --> step{name}_1"
    yield f"subgraph steps{name}[{_quoted('each mail once')}]"
    for place, step in enumerate(sequence.steps, start=1):
        when = f"after {format_duration(step.after)}" if step.after else "at once"
        yield f"    step{name}_{place}[{_quoted(step.key, when, *_about(step, texts))}]"
    for place in range(1, len(sequence.steps)):
        yield f"    step{name}_{place} --> step{name}_{place + 1}"
    yield "end"
    yield f"step{name}_{len(sequence.steps)} --> done{name}([{_quoted('finished')}])"
    yield f"steps{name} -.->|{_quoted(' or '.join(_ends(sequence)))}| stop{name}([{_quoted('stopped')}])"


def _begins(sequence: Sequence) -> str:
    return "a cart is abandoned" if sequence.trigger == CART_ABANDONED else "a contact is enrolled"


def _ends(sequence: Sequence) -> list[str]:
    return sorted(sequence.stop_when)


def _attribute(attribute: Attribute) -> str:
    low, high = attribute.min, attribute.max
    if low is not None and high is not None:
        bounds = f" from {low} to {high}"
    else:
        bounds = f" from {low}" if low is not None else f" up to {high}" if high is not None else ""
    default = "" if attribute.default is None else f", else {attribute.default}"
    return f"{attribute.name}: {attribute.type}{bounds}{default}"


def _rule(segment: Segment) -> str:
    return segment.when or "everybody else"


def _about(step: Step, texts: Texts) -> Iterator[str]:
    """Yield what is particular about a step: its conditions, and the texts it has besides the one for all."""
    if step.coupon and step.on_cooldown == "skip":
        yield f"with a code of {step.coupon}, and not for who had one lately"
    elif step.coupon:
        yield f"with a code of {step.coupon}"
    if step.min_total:
        yield f"carts of {' or '.join(f'{amount} {currency}' for currency, amount in step.min_total.items())} and more"
    if names := texts.get(step.key):
        yield f"texts {', '.join(names)}"


def _quoted(*lines: str) -> str:
    """Write a label. What Mermaid or the page around it would take for its own is written as a number."""
    escaped = [re.sub(r'["#<>&`]', lambda found: f"#{ord(found[0])};", " ".join(line.split())) for line in lines]
    return f'"{"<br/>".join(escaped)}"'
