"""`cartctl sequences`: what the template folders hold, and whether it can be sent."""

import typer

from cartctl import wiring
from cartctl.cli.options import AsJson, Verbose, state_of
from cartctl.cli.session import complain, print_json

app = typer.Typer(help="The sequences and their templates.", no_args_is_help=True)


@app.command()
def check(ctx: typer.Context, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Render every step on sample carts and name what fails. Sends nothing, needs no database."""
    from cartctl.jobs import check_sequences
    from cartctl.mail.render import Renderer

    state = state_of(ctx, verbose=verbose)
    rules = wiring.rules(state.loaded)
    renderer = Renderer(wiring.template_folders(state.loaded))
    result = check_sequences.run(rules.sequences, renderer, coupons=rules.coupons)
    for problem in result.problems:
        complain(problem)
    for hint in result.hints:
        complain(hint)
    if as_json:
        print_json(result.as_json())
    else:
        state.say(f"{result.rendered} mails of {result.steps} steps rendered, {len(result.problems)} problems")
    if result.problems:
        raise typer.Exit(1)
