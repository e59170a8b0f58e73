"""`cartctl templates eject`: the shipped templates as files of the shop's own."""

from pathlib import Path
from typing import Annotated

import typer

from cartctl import resources
from cartctl.cli.options import AsJson, state_of
from cartctl.cli.session import complain, print_json
from cartctl.errors import ConfigurationError
from cartctl.jobs import eject as job


def eject(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to copy them.")],
    sequence: Annotated[str | None, typer.Argument(metavar="[SEQUENCE]", help="Its folder alone.")] = None,
    as_json: AsJson = False,
) -> None:
    """Copy the templates that come with cartctl, to edit them. Overwrites nothing."""
    result = job.run(resources.shipped_templates(), folder, sequence=sequence)
    for name in result.kept:
        complain(f"{folder / name}: differs from the one that comes with cartctl: it was left as it is")
    if as_json:
        print_json({"copied": result.copied, "same": result.same, "kept": result.kept})
    else:
        print(f"{folder}: {len(result.copied)} files copied, {len(result.same)} were there already")
        print(_next(ctx, folder))
    if result.kept:
        raise typer.Exit(1)


def _next(ctx: typer.Context, folder: Path) -> str:
    try:
        loaded = state_of(ctx).loaded
    except ConfigurationError:
        loaded = None
    if loaded and loaded.templates_folder and loaded.templates_folder.resolve() == folder.resolve():
        return "They are in use already. Next: cartctl sequences check, and cartctl preview --all"
    configured = folder.resolve() if loaded and loaded.file and loaded.file.parent != Path.cwd() else folder
    then = "What you delete there comes from cartctl again"
    return f'To use them, write templates = "{configured}" into cartctl.toml. {then}'
