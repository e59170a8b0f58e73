"""`cartctl explain`: why she was written to, why not, and what comes next."""

from datetime import timedelta
from typing import Annotated, Any

import typer

from cartctl import wiring
from cartctl.cli.coming import brake_line, coming_json, coming_line, late_feeds, simulation
from cartctl.cli.options import AsJson, At, ShowAddresses, state_of
from cartctl.cli.session import clock, print_json, read_at, show_time, shown_id
from cartctl.domain.brakes import Brake, place_name
from cartctl.domain.identity import mask_email
from cartctl.domain.money import Money
from cartctl.jobs import explain as explain_job
from cartctl.jobs import plan as plan_job
from cartctl.jobs.explain import Chapter, Story
from cartctl.jobs.plan import Coming
from cartctl.jobs.simulate import simulated

AHEAD = timedelta(days=30)


def explain(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="CART|EMAIL", help="A cart's id, or a shopper's address.")],
    store: Annotated[str | None, typer.Option("--store", help="Where several stores have such a cart.")] = None,
    show_addresses: ShowAddresses = False,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Tell the story of one cart or one person, every decision with its rules, and what comes next."""
    state = state_of(ctx)
    moment = read_at(at)
    now = moment or clock(None)()
    rules = wiring.rules(state.loaded)
    with state.database(at=moment, writes=False) as database:
        key = wiring.hashing_key(database)
        told = explain_job.tell(database, name, store=store, rules=rules, hashing_key=key)
        replay = simulation(
            state,
            rules,
            database,
            since=now,
            first=plan_job.first_tick(now),
            until=now + AHEAD,
            every=plan_job.EVERY,
            recorded_until=now,
            people=told.people,
        )
        places = {place_name(row.store, row.channel) for row in told.carts}
        late = [brake for brake in late_feeds(database) if brake.subject in places]
        ours = {(row.store, row.external_id) for row in told.carts} | {(row.store, "") for row in told.enrolled}
        with simulated(database, replay) as found:
            coming = [
                one
                for one in plan_job.messages_to_come(found, rules, until=now + AHEAD)
                if (one.store, one.cart) in ours
            ]
            held = [brake for brake in found.brakes if brake.subject in {"", *(one.sequence for one in coming)}]
    if as_json:
        print_json(
            {
                "carts": [_cart_json(row, show_addresses) for row in told.carts],
                "story": [_chapter_json(chapter, show_addresses) for chapter in told.chapters],
                "next": [coming_json(one, rules, show_addresses) for one in coming],
                "brakes": [brake.as_json() for brake in held],
                "late_feeds": [brake.as_json() for brake in late],
            }
        )
    else:
        _print(told, coming, held, late, show_addresses)


def _print(told: Story, coming: list[Coming], held: list[Brake], late: list[Brake], show_addresses: bool) -> None:
    several = len({(row.store, row.external_id) for row in told.carts}) > 1
    for row in told.carts:
        print(_cart_line(row, show_addresses))
    for chapter in told.chapters:
        print(_chapter_line(chapter, show_addresses, name_cart=several))
        for rule in chapter.rules:
            inputs = f": {rule.inputs}" if rule.inputs else ""
            print(f"    {rule.rule}{inputs} -> {rule.outcome}")
    print("next:" if coming else "next: nothing, unless something happens")
    for one in coming:
        print(f"  {coming_line(one, show_addresses)}")
    for brake in held:
        print(f"held now: {brake_line(brake)}")
    for brake in late:
        print(f"as if orders were fresh, but now {brake_line(brake)}")


def _address(row: Any, show_addresses: bool) -> str | None:
    if row.email_normalised is None:
        return None
    return row.email_normalised if show_addresses else mask_email(row.email_normalised)


def _cart_line(row: Any, show_addresses: bool) -> str:
    filling = f", filling {row.generation}" if row.generation > 1 else ""
    total = Money.from_minor(row.total_minor, row.currency)
    whose = _address(row, show_addresses) or "nobody known"
    cart = shown_id(row.external_id, show_addresses=show_addresses)
    return f"cart {cart} of {row.store}{filling}: {row.status}, {total} {row.currency}, of {whose}"


def _cart_json(row: Any, show_addresses: bool) -> dict[str, Any]:
    return {
        "store": row.store,
        "cart": shown_id(row.external_id, show_addresses=show_addresses),
        "generation": row.generation,
        "status": row.status,
        "contact": _address(row, show_addresses),
        "total": str(Money.from_minor(row.total_minor, row.currency)),
        "currency": row.currency,
        "last_activity_at": row.last_activity_at.isoformat(),
    }


def _chapter_line(chapter: Chapter, show_addresses: bool, *, name_cart: bool) -> str:
    cart = shown_id(chapter.cart, show_addresses=show_addresses)
    about = f"cart {cart} of {chapter.store}: " if name_cart and cart else ""
    return f"{show_time(chapter.at)}  {about}{chapter.text}"


def _chapter_json(chapter: Chapter, show_addresses: bool) -> dict[str, Any]:
    return {
        "at": chapter.at.isoformat(),
        "what": chapter.what,
        "store": chapter.store,
        "cart": shown_id(chapter.cart, show_addresses=show_addresses),
        "text": chapter.text,
        "rules": [{"rule": rule.rule, "inputs": rule.inputs, "outcome": rule.outcome} for rule in chapter.rules],
    }
