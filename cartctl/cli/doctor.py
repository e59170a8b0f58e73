"""`cartctl doctor`: look at everything that must be right for mail to go out, one line each."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from cartctl import wiring
from cartctl.cli import checks
from cartctl.cli.options import AsJson, At, state_of
from cartctl.cli.session import State, clock, print_json, read_at
from cartctl.config import Loaded
from cartctl.domain.findings import Finding, Level, fail, ok, warn
from cartctl.errors import CartctlError, ConfigurationError
from cartctl.jobs import checkup
from cartctl.store import schema

BUILT = datetime(2026, 11, 22, tzinfo=UTC)
"""When this version was made: no clock that is right shows less."""


def doctor(
    ctx: typer.Context,
    online: Annotated[
        bool, typer.Option("--online", help="Also ask the provider, the name servers and the endpoint.")
    ] = False,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Look at everything that must be right for mail to go out, and say what to do. Changes nothing, sends nothing."""
    state = state_of(ctx)
    found: list[Finding] = []
    for finding in _examine(state, online=online, at=read_at(at)):
        found.append(finding)
        if not as_json:
            print(f"{finding.level.value:6}{finding.check:16}{finding.text}")
    broken = any(finding.level == Level.FAIL for finding in found)
    if as_json:
        print_json({"ok": not broken, "checks": [finding.as_json() for finding in found]})
    raise typer.Exit(1 if broken else 0)


def _examine(state: State, *, online: bool, at: datetime | None) -> Iterator[Finding]:
    """Without a configuration go on with what needs none."""
    try:
        loaded: Loaded | None = state.loaded
    except ConfigurationError as error:
        loaded = None
        state.go_on_without_configuration()
        yield fail("configuration", f"{error} (until then only what does not depend on it is looked at)")
    provider_apart: timedelta | None = None
    if loaded:
        yield ok("configuration", str(loaded.file or "no file: the defaults, and the environment"))
        yield from _of_settings(loaded)
        for finding, provider_date in checks.online(loaded) if online else ():
            if provider_date:
                provider_apart = abs(provider_date - clock(None)())
            yield finding
    yield from _of_database(state, provider_apart, at=at, settings_known=loaded is not None)


def _of_settings(loaded: Loaded) -> Iterator[Finding]:
    settings = loaded.settings
    yield checks.templates(loaded)
    for name in checks.transports(loaded):
        yield checks.transport(settings, name)
    yield checks.base_url(settings)
    yield checks.store_hosts(settings)
    yield checks.postal_address(settings)
    yield checks.consent(settings)


def _of_database(
    state: State, provider_apart: timedelta | None, *, at: datetime | None, settings_known: bool
) -> Iterator[Finding]:
    """All that is read from the database, and what is left where it cannot be read."""
    real_now = clock(None)
    try:
        with state.database(at=at, writes=False) as database:
            if state.loaded.database_is_missing:
                yield warn("database", "the file is not there yet: the first import or run-due makes it")
            else:
                yield ok("database", f"{database.engine.dialect.name}, schema {schema.HEAD}, as it should be")
            about = _surroundings(state.loaded) if settings_known else None
            yield from checkup.run(database, about, now=at or real_now(), is_at=at is not None)
            last = checkup.clock(database, real_now=real_now, provider_apart=provider_apart, built=BUILT)
    except CartctlError as error:
        yield fail("database", str(error))
        last = checkup.clock(None, real_now=real_now, provider_apart=provider_apart, built=BUILT)
    yield checks.disk(state.loaded)
    yield last


def _surroundings(loaded: Loaded) -> checkup.Surroundings:
    settings = loaded.settings
    try:
        sequences = wiring.rules(loaded).sequences
    except CartctlError:
        sequences = None  # the line on the templates has told of it
    return checkup.Surroundings(
        delivers=bool(wiring.delivering(loaded)),
        transports=checks.transports(loaded),
        orders_max_age=settings.safety.orders_max_age,
        coupon_warn_below=settings.coupon.warn_below,
        sequences=None if sequences is None else list(sequences.values()),
        coupons=settings.coupons,
    )
