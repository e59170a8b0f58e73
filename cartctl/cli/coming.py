"""`cartctl plan` and `cartctl simulate`: what is to come, and what would have been. Neither writes anything."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any

import typer

from cartctl import wiring
from cartctl.cli.options import AsJson, At, ShowAddresses, state_of
from cartctl.cli.session import (
    State,
    about_cart,
    clock,
    complain,
    print_json_with,
    read_at,
    read_duration,
    read_time,
    show_time,
    shown_id,
)
from cartctl.domain.brakes import Brake, Kind
from cartctl.domain.identity import mask_email
from cartctl.domain.times import format_duration
from cartctl.errors import UsageError
from cartctl.jobs.rules import Rules
from cartctl.jobs.simulate import Simulated, Simulation, simulated
from cartctl.store.brakes import holding
from cartctl.store.database import EngineDatabase


def plan(
    ctx: typer.Context,
    until: Annotated[str, typer.Option(metavar="DURATION", help="How far to look ahead.")] = "48h",
    show_addresses: ShowAddresses = False,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Show every message to come if nothing else happens: when, to whom, and what would stop it. Writes nothing."""
    from cartctl.jobs import plan as plan_job

    state = state_of(ctx)
    moment = read_at(at)
    now = moment or clock(None)()
    end = now + read_duration(until, "--until")
    rules = wiring.rules(state.loaded)
    first = plan_job.first_tick(now)
    with state.database(at=moment, writes=False) as database:
        replay = simulation(
            state, rules, database, since=now, first=first, until=end, every=plan_job.EVERY, recorded_until=now
        )
        with simulated(database, replay) as found:
            coming = plan_job.messages_to_come(found, rules, until=end)
            if as_json:
                late = [brake.as_json() for brake in late_feeds(database)]
                head = {"now": now.isoformat(), "until": end.isoformat(), **found.as_json(), "late_feeds": late}
                print_json_with(head, "coming", (coming_json(one, rules, show_addresses) for one in coming))
            else:
                sent: set[str] = set()
                for one in coming:
                    print(coming_line(one, show_addresses))
                    sent |= {one.sequence} if one.outcome == "sent" else set()
                for brake in found.brakes:
                    print(brake_line(brake))
                for brake in late_feeds(database):
                    print(f"as if orders were fresh, but now {brake_line(brake)}")
                print(f"until {show_time(end)}: {_totals(found)}")
                for name in sorted(sent):
                    print(f"each of {name} is stopped by: {', '.join(plan_job.always(rules, name))}")


def simulate(
    ctx: typer.Context,
    since: Annotated[str, typer.Option("--from", metavar="TIME", help="The first run (2026-11-22T10:30:00+01:00).")],
    until: Annotated[str, typer.Option("--to", metavar="TIME", help="No run after it.")],
    every: Annotated[str, typer.Option(metavar="DURATION", help="How often run-due runs.")] = "5m",
    show_addresses: ShowAddresses = False,
    as_json: AsJson = False,
) -> None:
    """Replay the stored carts and orders with the present rules: who would have been mailed, and when. Writes nothing.

    Carts count from their last activity, orders from their time. Nothing is rendered: templates are taken as sound,
    and the provider takes everything.
    """
    state = state_of(ctx)
    first, last = read_time(since, "--from"), read_time(until, "--to")
    if last < first:
        raise UsageError("--to is before --from: nothing lies between them")
    rules = wiring.rules(state.loaded)
    with state.database(writes=False) as database:
        step = read_duration(every, "--every")
        replay = simulation(
            state, rules, database, since=first, first=first, until=last, every=step, recorded_until=last
        )
        with simulated(database, replay) as found:
            for problem in found.problems:
                complain(problem)
            if as_json:
                timeline = (_sent_json(row, show_addresses) for row in found.timeline())
                print_json_with(
                    {"from": first.isoformat(), "to": last.isoformat()} | found.as_json(), "timeline", timeline
                )
                return
            for row in found.timeline():
                to = row.email_normalised if show_addresses else mask_email(row.email_normalised)
                about = about_cart(row.cart, row.store, show_addresses=show_addresses)
                print(f"{show_time(row.at)}  {row.sequence}/{row.step} to {to}{about}")
            for brake in found.brakes:
                print(brake_line(brake))
            period = f"{show_time(first)} to {show_time(last)}, a run every {format_duration(step)}"
            print(f"{period}: {_totals(found)}")


def simulation(
    state: State,
    rules: Rules,
    database: EngineDatabase,
    **period: Any,
) -> Simulation:
    """Put together a simulation with the shop's rules; `period` says when, and whose carts."""
    settings = state.loaded.settings
    return Simulation(
        rules=rules,
        transport=partial(wiring.pretend, settings),
        hashing_key=wiring.hashing_key(database),
        concurrency=settings.sending.concurrency,
        **period,
    )


def late_feeds(database: EngineDatabase) -> list[Brake]:
    """Return what holds mail now because orders are late: what is to come is told as if they were not."""
    with database.read() as connection:
        return [brake for brake in holding(connection) if brake.kind == Kind.ORDERS]


def coming_line(one: Any, show_addresses: bool) -> str:
    """Tell of one message to come, in one line."""
    to = one.email if show_addresses else mask_email(one.email)
    about = about_cart(one.cart, one.store, show_addresses=show_addresses)
    line = f"{show_time(one.at)}  {one.sequence}/{one.step} to {to}{about}"
    if one.outcome == "sent":
        return f"{line}; unless {', or '.join(one.own)}" if one.own else line
    if one.outcome == "held":
        return f"{line}: held ({brake_line(one.held_by) if one.held_by else one.reason or 'a run has it'})"
    return f"{line}: not sent ({one.reason})"


def brake_line(brake: Brake) -> str:
    """Tell of a brake, and since when it holds."""
    return f"{brake.line} (since {show_time(brake.since)})"


def coming_json(one: Any, rules: Rules, show_addresses: bool) -> dict[str, Any]:
    from cartctl.jobs import plan as plan_job

    return {
        "at": one.at.isoformat(),
        "due_at": one.due_at.isoformat(),
        "contact": one.email if show_addresses else mask_email(one.email),
        "store": one.store,
        "cart": shown_id(one.cart, show_addresses=show_addresses),
        "sequence": one.sequence,
        "step": one.step,
        "outcome": one.outcome,
        "reason": one.reason,
        "held_by": one.held_by.as_json() if one.held_by else None,
        "stops": [*plan_job.always(rules, one.sequence), *one.own] if one.outcome in ("sent", "held") else [],
    }


def _sent_json(row: Any, show_addresses: bool) -> dict[str, Any]:
    at: datetime = row.at
    return {
        "at": at.isoformat(),
        "contact": row.email_normalised if show_addresses else mask_email(row.email_normalised),
        "store": row.store,
        "cart": shown_id(row.cart, show_addresses=show_addresses),
        "sequence": row.sequence,
        "step": row.step,
    }


def _totals(found: Simulated) -> str:
    words = [f"{found.detected} carts detected", f"{found.enrolled} enrolled"]
    words += [f"{found.held_out} held out"] if found.held_out else []
    words += [f"{found.bought} bought"] if found.bought else []
    words.append(f"{found.sent} sent")
    for what, counts in (("skipped", found.skipped), ("cancelled", found.cancelled)):
        words += [f"{count} {what} ({reason})" for reason, count in sorted(counts.items())]
    return ", ".join(words)
