"""`cartctl segments`: which segment a contact is in, and by which rule."""

from typing import Any

import typer

from cartctl import wiring
from cartctl.cli.contacts import Email, read_address
from cartctl.cli.options import AsJson, state_of
from cartctl.cli.session import complain, print_json
from cartctl.domain.identity import mask_email
from cartctl.errors import UsageError
from cartctl.store import lookup, people

app = typer.Typer(help="Segments of contacts.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `explain` a word of its own: more may come beside it."""


@app.command()
def explain(ctx: typer.Context, email: Email, as_json: AsJson = False) -> None:
    """Show by which rules a contact is in their segments: what each looked at, and its outcome."""
    from cartctl.jobs import segments

    state = state_of(ctx)
    address, rules = read_address(email), wiring.rules(state.loaded)
    with state.database(writes=False) as database, database.read() as connection:
        contact = people.find(connection, address)
        if contact is None:
            raise UsageError(lookup.unknown(connection, address, what="address"))
        found = segments.explain(connection, contact, rules)
    if as_json:
        print_json([_as_json(one) for one in found])
        return
    if not found:
        complain("no sequence has segments")
    for one in found:
        print(f"{one.sequence}: {mask_email(address)} is {_standing(one)}")
        for fault in one.faults:
            print(f"  does not fit: {fault}")
        for rule in one.rules:
            inputs = f" ({', '.join(f'{name} {value}' for name, value in rule.inputs.items())})" if rule.inputs else ""
            print(f"  {rule.segment.key}: {rule.segment.when or 'whoever is left'}{inputs} -> {rule.outcome}")
        about = next((rule.segment for rule in one.rules if rule.outcome == "yes"), None)
        if about:
            texts = [text for text in (about.description, about.action) if text]
            print(f"  priority {about.priority}{''.join(f'. {text}' for text in texts)}")


def _standing(one: Any) -> str:
    if one.stored is None:
        return f"{one.segment}, and not enrolled" if one.segment else "not enrolled"
    moved = f"; by what is known now: {one.segment}" if one.segment and one.segment != one.stored else ""
    return f"{one.stored or 'in no segment'}{moved}"


def _as_json(one: Any) -> dict[str, Any]:
    return {
        "sequence": one.sequence,
        "stored": one.stored,
        "segment": one.segment or None,
        "faults": list(one.faults),
        "rules": [
            {
                "segment": rule.segment.key,
                "when": rule.segment.when or None,
                "inputs": {name: str(value) for name, value in rule.inputs.items()},
                "outcome": rule.outcome,
                "priority": rule.segment.priority,
                "description": rule.segment.description,
                "action": rule.segment.action,
            }
            for rule in one.rules
        ],
    }
