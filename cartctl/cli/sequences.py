"""`cartctl sequences`: what the template folders hold, and whether it can be sent."""

from enum import StrEnum
from typing import Annotated

import typer

from cartctl import wiring
from cartctl.cli.options import AsJson, Verbose, state_of
from cartctl.cli.session import clock, complain, print_json
from cartctl.domain.sequences import Sequence as MailSequence
from cartctl.errors import UsageError
from cartctl.jobs.rules import Rules
from cartctl.suggest import did_you_mean

app = typer.Typer(help="The sequences and their templates.", no_args_is_help=True)


class Picture(StrEnum):
    """How a sequence is drawn."""

    TEXT = "text"
    MERMAID = "mermaid"


@app.command()
def graph(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[SEQUENCE]", help="One of them; else all.")] = None,
    picture: Annotated[Picture, typer.Option("--format", help="Text for a terminal, or a Mermaid flowchart.")] = (
        Picture.TEXT
    ),
) -> None:
    """Draw sequences as they are in the template folders: beginning, segments, steps, exits."""
    from cartctl.cli import journey
    from cartctl.mail.templates import text_names

    state = state_of(ctx)
    chosen = _chosen(wiring.rules(state.loaded), name)
    folders = wiring.template_folders(state.loaded)
    if picture == Picture.MERMAID:
        print(journey.as_mermaid(chosen, lambda sequence: text_names(folders, sequence)))
    else:
        print("\n\n".join(journey.as_text(sequence, text_names(folders, sequence)) for sequence in chosen))


def _chosen(rules: Rules, name: str | None) -> list[MailSequence]:
    if name is None:
        return list(rules.sequences.values())
    if name not in rules.sequences:
        raise UsageError(f'no sequence "{name}"{did_you_mean(name, rules.sequences)}')
    return [rules.sequences[name]]


@app.command()
def check(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[SEQUENCE]", help="One of them; else all.")] = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Render every text on odd sample carts, and say what is wrong where. Sends nothing, needs no database."""
    from cartctl.jobs import check_sequences

    state = state_of(ctx, verbose=verbose)
    rules = wiring.rules(state.loaded)
    chosen = {one.name: one for one in _chosen(rules, name)}
    folders = wiring.template_folders(state.loaded)
    result = check_sequences.run(chosen, folders, coupons=rules.coupons, now=clock(None)())
    for problem in result.problems:
        complain(str(problem))
    for hint in result.hints:
        complain(hint)
    if as_json:
        print_json(result.as_json())
    else:
        state.say(f"{result.rendered} mails of {result.steps} steps rendered, {len(result.problems)} problems")
    if result.problems:
        raise typer.Exit(1)
