"""What `doctor` reads from the configuration, the disk and, with `--online`, from the network: one line a thing."""

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from cartctl import wiring
from cartctl.cli.session import clock
from cartctl.config import Loaded
from cartctl.domain.findings import Finding, fail, ok, warn
from cartctl.domain.sequences import CART_ABANDONED
from cartctl.errors import CartctlError
from cartctl.mail.message import split_address
from cartctl.settings import Settings, Store

_MEGABYTE = 1_000_000
_LITTLE, _TOO_LITTLE = 1000 * _MEGABYTE, 100 * _MEGABYTE
_EEA = frozenset("AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE IS LI NO".split())
"""Where the rules on electronic mail of Directive 2002/58/EC hold, by ISO 3166 code."""
_EEA_ZONES = frozenset(
    f"Europe/{city}"
    for city in (
        "Amsterdam Athens Berlin Bratislava Brussels Bucharest Budapest Busingen Copenhagen Dublin Helsinki Lisbon "
        "Ljubljana Luxembourg Madrid Malta Mariehamn Oslo Paris Prague Riga Rome Sofia Stockholm Tallinn Vaduz Vienna "
        "Vilnius Warsaw Zagreb"
    ).split()
) | {"Asia/Nicosia", "Europe/Nicosia", "Atlantic/Canary", "Atlantic/Madeira", "Atlantic/Azores", "Atlantic/Reykjavik"}


def transports(loaded: Loaded) -> list[str]:
    """Return what carries mail; of sequences that cannot be read the line on the templates tells."""
    try:
        return wiring.transports(loaded, wiring.rules(loaded).sequences)
    except CartctlError:
        return [loaded.settings.transport]


def transport(settings: Settings, name: str) -> Finding:
    """Key, server and sender, as far as they can be judged without asking anybody."""
    try:
        wiring.check_senders(settings)
        missing = list(wiring.transport_lacks(settings, name))
    except CartctlError as error:
        return fail("transport", str(error))
    if wiring.delivers(settings, name) and not settings.from_:
        missing.append(wiring.NO_SENDER)
    if missing:
        return fail("transport", f'transport = "{name}" needs {"; ".join(missing)}')
    if name == "outbox":
        return ok("transport", "outbox: mails go into a folder")
    if name == "smtp" and settings.smtp.sandbox:
        host = settings.smtp.host
        return warn(
            "transport", f"smtp.sandbox is only your word: if {host} is no trap for tests, shoppers get real mail"
        )
    return ok("transport", f"{name} has all it needs (--online asks whether it is right)")


def templates(loaded: Loaded) -> Finding:
    """Render what this shop sends, as `cartctl sequences check` does.

    A shipped sequence for contacts is the shop's own when it has a folder of that name.
    """
    from cartctl.jobs import check_sequences

    try:
        rules = wiring.rules(loaded)
        own = loaded.templates_folder
        sequences = {
            name: sequence
            for name, sequence in rules.sequences.items()
            if sequence.trigger == CART_ABANDONED or (own is not None and (own / name).is_dir())
        }
        result = check_sequences.run(
            sequences, wiring.template_folders(loaded), coupons=rules.coupons, now=clock(None)()
        )
    except CartctlError as error:
        return fail("templates", str(error))
    if result.problems:
        more = f" (and {len(result.problems) - 1} more: cartctl sequences check)" if len(result.problems) > 1 else ""
        return fail("templates", f"{result.problems[0]}{more}")
    return ok("templates", f"{result.rendered} mails of {result.steps} steps rendered")


def base_url(settings: Settings) -> Finding:
    url = settings.base_url
    if wiring.is_public(url):
        return ok("base-url", url)
    level = fail if wiring.delivers(settings) else warn
    return level("base-url", f"{url} is no public https address, so nobody could follow a link: set base_url")


def store_hosts(settings: Settings) -> Finding:
    """Recovery links lead to a store's own hosts and nowhere else."""
    without = [name for name, store in settings.stores.items() if not store.hosts]
    if not settings.stores:
        return fail(
            "store-hosts",
            'no store is configured, so every link would end on our own page: set hosts = ["shop.example.com"] in '
            "[stores.main]",
        )
    if without:
        tables = " and ".join(f"[stores.{name}]" for name in without)
        return fail(
            "store-hosts", f'every link would end on our own page: set hosts = ["shop.example.com"] in {tables}'
        )
    return ok("store-hosts", ", ".join(host for store in settings.stores.values() for host in store.hosts))


def postal_address(settings: Settings) -> Finding:
    if settings.postal_address:
        return ok("postal-address", settings.postal_address)
    level = fail if wiring.delivers(settings) else warn
    return level("postal-address", "every mail must show one: set postal_address")


def consent(settings: Settings) -> Finding:
    """Remind shops in the EU. It is no legal advice: soft opt-in has its own conditions."""
    require = settings.consent.require
    if require == "opt-in":
        return ok("consent", "only who said yes is written to")
    signs = {name: sign for name, store in settings.stores.items() if (sign := _european(store, settings))}
    if signs:
        told = ", ".join(f"{name} ({sign})" for name, sign in signs.items())
        return warn(
            "consent",
            f"{told} looks to the EU, where mail of this kind needs consent or its exceptions: consent.require is "
            f'"{require}", consider "opt-in"',
        )
    return ok("consent", f'consent.require = "{require}", and no store looks to the EU')


def _european(store: Store, settings: Settings) -> str:
    """Return what says that a store has customers in the EU, or nothing."""
    zone = store.timezone or settings.timezone
    if store.country in _EEA:
        return str(store.country)
    if store.currency == "EUR":
        return "EUR"
    return str(zone) if zone in _EEA_ZONES else ""


def disk(loaded: Loaded) -> Finding:
    """A dry run copies a SQLite file, and so does a backup: there should be room for that."""
    file = loaded.sqlite_file
    folder = file.parent if file else loaded.outbox_folder.parent if loaded.settings.transport == "outbox" else Path()
    size = file.stat().st_size if file and file.exists() else 0
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return fail("disk", f"{folder}: {error.strerror}")
    told = f"{free // _MEGABYTE:,} MB are free in {folder.resolve()}"
    if free < max(_TOO_LITTLE, size // 10):
        return fail("disk", f"{told}: make room, before writing fails")
    if free < max(_LITTLE, 2 * size):
        return warn("disk", f"{told}: too little to copy the database, or soon so: make room")
    return ok("disk", told)


def online(loaded: Loaded) -> Iterator[tuple[Finding, datetime | None]]:
    """Ask provider, name servers and endpoint; yield each finding, with the provider's time beside its own."""
    settings = loaded.settings
    carriers = [name for name in transports(loaded) if name != "outbox"]
    for name in carriers:
        yield _key(loaded, name)
    if carriers:
        for finding in _domain(settings, carriers):
            yield finding, None
    yield _endpoint(settings), None


def _key(loaded: Loaded, name: str) -> tuple[Finding, datetime | None]:
    from cartctl.mail.resend import Resend

    try:
        if lacks := next(wiring.transport_lacks(loaded.settings, name), None):
            return fail("keys", f"nobody can be asked without {lacks}"), None
        carrier = wiring.make_transport(loaded, b"", clock(None), name)
        found = carrier.probe(_sender_domain(loaded.settings)) if isinstance(carrier, Resend) else carrier.probe()
    except CartctlError as error:
        return fail("keys", str(error)), None
    if found.fault:
        return fail("keys", f"{found.fault}: check key, account and {name}.host"), found.date
    return ok("keys", f"{name} knows us"), found.date


def _domain(settings: Settings, carriers: list[str]) -> list[Finding]:
    from cartctl.mail.records import DKIM_SELECTORS, Records

    domain = _sender_domain(settings)
    if not domain:
        return [fail("dns", "without `from` there is no domain to ask about")]
    usual = [selector for name in carriers for selector in DKIM_SELECTORS.get(name, ())]
    selectors = settings.doctor.dkim_selectors or usual
    try:
        return Records(settings.doctor.nameserver).look_at(domain, selectors)
    except CartctlError as error:
        return [fail("dns", str(error))]


def _sender_domain(settings: Settings) -> str:
    return split_address(settings.from_ or "")[1].rpartition("@")[2].lower()


def _endpoint(settings: Settings) -> Finding:
    from cartctl.mail.https import Endpoint, Reply

    try:
        reply = Endpoint(
            settings.base_url,
            "/healthz",
            headers={},
            timeout=settings.sending.timeout,
            ca_file=None,
            section="base_url",
            method="GET",
        ).ask()
    except CartctlError as error:
        return fail("endpoint", str(error))
    told = f"answers {reply.status}" if isinstance(reply, Reply) else reply.reason
    if isinstance(reply, Reply) and reply.status == 200:
        return ok("endpoint", f"{settings.base_url}/healthz answers")
    return fail(
        "endpoint", f"{settings.base_url}/healthz: {told}: links in mails are dead until the endpoint runs there"
    )
