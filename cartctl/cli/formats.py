"""`cartctl import formats`: what can be imported, and what each format needs."""

import typer

from cartctl.cli.options import AsJson
from cartctl.cli.session import print_json
from cartctl.importers import registry
from cartctl.importers.format import CsvFormat


def formats(as_json: AsJson = False) -> None:
    """List the formats by name, with the command that imports them and what they need. Reads nothing."""
    known = registry.formats()
    if as_json:
        print_json(
            [
                {
                    "name": format_.name,
                    "kind": format_.kind,
                    "reads": "CSV" if isinstance(format_, CsvFormat) else "JSON",
                    "needs": format_.needs,
                    "needs_timezone": format_.never_has_offset,
                }
                for format_ in known
            ]
        )
        return
    name_width = max(len(format_.name) for format_ in known)
    for format_ in sorted(known, key=lambda format_: format_.kind):
        reads = "CSV " if isinstance(format_, CsvFormat) else "JSON"
        zone = "; --timezone or stores.NAME.timezone" if format_.never_has_offset else ""
        typer.echo(f"{format_.kind:<6}  {format_.name:<{name_width}}  {reads}  {format_.needs}{zone}")
