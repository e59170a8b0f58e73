"""`cartctl pause`, `cartctl resume` and `cartctl cancel`: an operator's hand on the brake."""

from typing import Annotated

import typer

from cartctl import wiring
from cartctl.cli.options import AsJson, At, state_of
from cartctl.cli.session import State, clock, print_json, read_at
from cartctl.domain.brakes import EVERYTHING
from cartctl.errors import UsageError
from cartctl.jobs import cancel as cancel_job
from cartctl.jobs import pause as pause_job
from cartctl.suggest import did_you_mean

SequenceName = Annotated[str | None, typer.Argument(metavar="[SEQUENCE]", help="Which one; without it: all of them.")]


def pause(ctx: typer.Context, sequence: SequenceName = None, at: At = None, as_json: AsJson = False) -> None:
    """Hold all mail, or that of one sequence. What becomes due waits, and ends as skipped past its grace."""
    state = state_of(ctx)
    moment = read_at(at)
    subject = _known(state, sequence)
    with state.database(at=moment) as database:
        brake = pause_job.pause(database, subject, now=clock(moment)())
    if as_json:
        print_json(brake.as_json())
    else:
        typer.echo(brake.line)


def resume(ctx: typer.Context, sequence: SequenceName = None, at: At = None, as_json: AsJson = False) -> None:
    """End a pause. With a name, what its bounces or complaints hold goes on, too."""
    state = state_of(ctx)
    moment = read_at(at)
    subject = _known(state, sequence)
    with state.database(at=moment) as database:
        result = pause_job.resume(database, subject, now=clock(moment)())
    if as_json:
        print_json({"let_go": list(result.let_go), "still": list(result.still)})
        return
    typer.echo("\n".join(result.let_go or ("nothing was held that `resume` lets go",)))
    for line in result.still:
        typer.echo(f"but {line}")


def cancel(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="CART|EMAIL", help="A cart's id, or a shopper's e-mail address.")],
    sequence: Annotated[str | None, typer.Option("--sequence", metavar="NAME", help="Only this sequence.")] = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Stop the mails about one cart, or to one person: about all carts left by now, and of sequences for contacts."""
    state = state_of(ctx)
    moment = read_at(at)
    rules = wiring.rules(state.loaded)
    subject = _known(state, sequence)
    with state.database(at=moment) as database:
        names = [subject] if subject else list(rules.sequences)
        result = cancel_job.cancel(database, name, names, now=clock(moment)())
    if as_json:
        print_json({"carts": result.carts, "sequences": result.sequences, "messages": result.messages})
    elif result.sequences:
        about = f" about {result.carts} carts, and" if result.carts else ""
        typer.echo(
            f"no more mail{about} of {result.sequences} sequences; {result.messages} scheduled messages were called off"
        )
    elif result.carts:
        typer.echo(f"no more mail about {result.carts} carts; {result.messages} scheduled messages were called off")
    else:
        typer.echo("nothing was to come")


def _known(state: State, sequence: str | None) -> str:
    """Return the sequence as the subject of a brake."""
    if sequence is None:
        return EVERYTHING
    known = wiring.rules(state.loaded).sequences
    if sequence not in known:
        raise UsageError(f'no sequence is called "{sequence}"{did_you_mean(sequence, known)}')
    return sequence
