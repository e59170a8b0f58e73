"""`cartctl messages`: look at messages, and say what became of those that are unknown."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

import typer

from cartctl import wiring
from cartctl.cli.options import AsJson, At, Verbose, state_of
from cartctl.cli.session import about_cart, clock, complain, print_json, read_at, shown_id
from cartctl.domain.identity import mask_email
from cartctl.domain.messages import GREATEST_ID, MessageState
from cartctl.errors import UsageError
from cartctl.jobs import resolve as resolve_job
from cartctl.store import message_list

app = typer.Typer(help="The messages: what became of them, and of those that are unknown.", no_args_is_help=True)


@app.command("list")
def list_(
    ctx: typer.Context,
    state: Annotated[MessageState | None, typer.Option(help="Only those in this state.")] = None,
    as_json: AsJson = False,
) -> None:
    """List messages, one a line, in the order of their ids."""
    with state_of(ctx).database(writes=False) as database, database.read() as connection:
        rows = message_list.listed(connection, state)
        if as_json:
            _print_json_list(_as_json(row) for row in rows)
            return
        for row in rows:
            print(_line(row))


@app.command()
def show(
    ctx: typer.Context,
    message_id: Annotated[int, typer.Argument(metavar="ID", min=1, max=GREATEST_ID)],
    as_json: AsJson = False,
) -> None:
    """Show one message and how it came to be what it is."""
    with state_of(ctx).database(writes=False) as database, database.read() as connection:
        row = message_list.one(connection, message_id)
        if row is None:
            raise UsageError(f"message {message_id}: there is no such message (`cartctl messages list` shows all)")
        story = message_list.transitions(connection, message_id)
    if as_json:
        steps = [
            {"at": step.at.isoformat(), "from": step.from_state or None, "to": step.to_state, "reason": step.reason}
            for step in story
        ]
        print_json(_as_json(row) | {"transitions": steps})
        return
    print(_line(row))
    for step in story:
        reason = f" ({step.reason})" if step.reason else ""
        print(f"  {_time(step.at)}  {step.from_state or 'new'} -> {step.to_state}{reason}")


@app.command()
def resolve(
    ctx: typer.Context,
    ids: Annotated[list[int], typer.Argument(metavar="ID…", help="Messages that are unknown.", min=1, max=GREATEST_ID)],
    accepted: Annotated[bool, typer.Option("--accepted", help="The provider took them.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="It did not: send them, if there is still time.")] = False,
    at: At = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Say what became of unknown messages, after a look at the provider's own log."""
    if accepted == retry:
        raise UsageError("messages resolve: say either --accepted or --retry")
    state = state_of(ctx, verbose=verbose)
    moment = read_at(at)
    now = clock(moment)()
    with state.database(at=moment) as database:
        if accepted:
            result = resolve_job.accept(database, ids, now=now)
        else:
            result = resolve_job.retry(database, ids, rules=wiring.rules(state.loaded), now=now)
    for id_, why in result.refused.items():
        complain(f"message {id_} was left as it was: {why}")
    if as_json:
        refused = [{"id": id_, "reason": why} for id_, why in result.refused.items()]
        print_json({"resolved": result.resolved, "refused": refused})
    else:
        what = "accepted" if accepted else "due again"
        state.say("\n".join(f"message {id_} is {what}" for id_ in result.resolved))
    if result.refused:
        raise typer.Exit(1)


def _line(row: Any) -> str:
    reason = f" ({row.reason})" if row.reason else ""
    sent = f", handed over {_time(row.sent_at)}" if row.sent_at else ""
    return (
        f"message {row.id}, {row.sequence}/{row.step} to {mask_email(row.email_normalised)}"
        f"{about_cart(row.cart, row.store)}: {row.state}{reason}, due {_time(row.due_at)}{sent}"
    )


def _as_json(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "sequence": row.sequence,
        "step": row.step,
        "store": row.store,
        "cart": shown_id(row.cart),
        "to": mask_email(row.email_normalised),
        "state": row.state,
        "reason": row.reason,
        "due_at": row.due_at.isoformat(),
        "sent_at": row.sent_at.isoformat() if row.sent_at else None,
        "attempts": row.attempts,
        "transport": row.transport,
        "receipt": row.receipt,
    }


def _print_json_list(items: Iterable[dict[str, Any]]) -> None:
    """Print as it comes: a million messages need not fit into memory."""
    between = "[\n"
    for item in items:
        print(f"{between}  {json.dumps(item, ensure_ascii=False)}", end="")
        between = ",\n"
    print("[]" if between == "[\n" else "\n]")


def _time(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"
