"""`cartctl import tiktok`: webhooks, order details and cart events of TikTok Shop."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from cartctl import wiring
from cartctl.cli.importing import Again, CurrencyCode, Files, RejectsFolder, StoreName, import_shop_files, options_of
from cartctl.cli.options import AsJson, At, LogFormat, Verbose, state_of

Verify = Annotated[
    bool | None,
    typer.Option(
        "--verify/--no-verify",
        help="Whether to refuse webhooks without the right signature; unless said, where tiktok.app_key is set.",
        show_default=False,
    ),
]


def tiktok(
    ctx: typer.Context,
    files: Files,
    verify: Verify = None,
    store: StoreName = None,
    currency: CurrencyCode = None,
    again: Again = False,
    rejects: RejectsFolder = Path(),
    at: At = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
    log_format: LogFormat = None,
) -> None:
    """Import TikTok Shop's webhooks and order details: unpaid orders are carts, the others orders."""
    state = state_of(ctx, verbose=verbose, log_format=log_format)
    settings = state.loaded.settings
    options = options_of(settings, "auto", store, None, currency, again=again, rejects=rejects)
    options = replace(options, context=replace(options.context, tiktok_app=wiring.tiktok_app(settings, verify=verify)))
    import_shop_files(state, "tiktok", files, options, at=at, as_json=as_json)
