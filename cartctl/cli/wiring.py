"""From settings to what the jobs are handed: rules, transport, composer."""

from collections.abc import Callable
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cartctl import resources
from cartctl.config import Loaded, Settings
from cartctl.domain.decide import TimeRules
from cartctl.domain.purchases import PurchaseRules
from cartctl.domain.times import QuietHours, zone_named
from cartctl.errors import ConfigurationError
from cartctl.jobs.rules import Clock, Rules, StoreFacts
from cartctl.jobs.send_due import Equipment
from cartctl.mail.message import Transport, split_address
from cartctl.mail.templates import load_sequences
from cartctl.store import keys
from cartctl.store.database import Database

_NOWHERE = "Example Shop <shop@example.com>"


def template_folders(loaded: Loaded) -> list[Path]:
    """The shop's own folder first, the shipped one after it."""
    own = loaded.templates_folder
    return [own, resources.shipped_templates()] if own else [resources.shipped_templates()]


def purchase_rules(settings: Settings) -> PurchaseRules:
    return PurchaseRules(slack=settings.purchase.slack, idle_after=settings.abandonment.idle_after)


def rules(loaded: Loaded) -> Rules:
    settings = loaded.settings
    sending = settings.sending
    return Rules(
        purchase=purchase_rules(settings),
        time=TimeRules(
            min_gap=sending.min_gap,
            grace=sending.grace,
            cap=sending.cap,
            cap_window=sending.cap_window,
            quiet_hours=QuietHours.parse(sending.quiet_hours) if sending.quiet_hours else None,
        ),
        max_age=settings.abandonment.max_age,
        lease=sending.lease,
        consent_required=settings.consent.require,
        coupons=settings.coupons,
        sequences=load_sequences(template_folders(loaded)),
        stores={name: store_facts(settings, name) for name in settings.stores},
        default_store=store_facts(settings, None),
    )


def store_facts(settings: Settings, name: str | None) -> StoreFacts:
    """Without a brand of its own a store goes by the name in `from`, else by its host."""
    store = settings.store(name or "")
    host = store.hosts[0] if store.hosts else ""
    return StoreFacts(
        brand=store.brand or split_address(settings.from_ or "")[0] or host or "our shop",
        url=store.url or (f"https://{host}" if host else ""),
        zone=zone_named(store.timezone or settings.timezone),
    )


def delivers(settings: Settings) -> bool:
    """Say whether mail handed over now could reach a shopper."""
    if settings.transport == "outbox" or settings.sendgrid.sandbox:
        return False
    return not _is_loopback(settings.sendgrid.host)


def check_sending(loaded: Loaded) -> None:
    """Refuse a transport that lacks anything, all of it in one message. Costs nothing: it runs on every tick."""
    settings = loaded.settings
    for key, address in (("from", settings.from_), ("reply_to", settings.reply_to)):
        if address is not None and not _plausible(address):
            raise ConfigurationError(f'{key}: "{address}" is no sender (Example Shop <shop@example.com> is)')
    if settings.transport == "outbox":
        return
    missing = []
    if not settings.sendgrid.api_key:
        missing.append("SENDGRID_API_KEY in the environment (or sendgrid.api_key)")
    host = settings.sendgrid.host
    if not host.startswith("https://") and not _is_loopback(host):
        raise ConfigurationError(f'sendgrid.host: "{host}" is no https address: the key would travel in the clear')
    if delivers(settings):
        if not settings.from_:
            missing.append('from (such as "Example Shop <shop@example.com>")')
        if not settings.postal_address:
            missing.append("postal_address (every mail must show one)")
        if not _is_public(settings.base_url):
            missing.append("base_url (the public https address of the recovery links)")
    if missing:
        raise ConfigurationError(f'transport = "{settings.transport}" needs {"; ".join(missing)}')


def refuse_rehearsal(loaded: Loaded, database: Database) -> None:
    """Keep a delivering transport away from a database that was written under a clock set by hand."""
    if not delivers(loaded.settings):
        return
    with database.read() as connection:
        if keys.is_rehearsal(connection):
            raise ConfigurationError(
                "this database is a rehearsal (it was written under --at): its times are not real, so no mail is sent "
                "from it. Import your files into another database, without --at"
            )


def equip(
    loaded: Loaded, rules_: Rules, clock: Clock, *, transport: Transport | None = None
) -> Callable[[Database], Equipment]:
    """Return what builds transport, composer and threads when there is something to send."""

    def build(database: Database) -> Equipment:
        from concurrent.futures import ThreadPoolExecutor

        from cartctl.jobs.compose import Composer
        from cartctl.mail.links import Links
        from cartctl.mail.render import Renderer

        signing, hashing = _keys(loaded, database, clock())
        return Equipment(
            transport=transport or make_transport(loaded),
            composer=Composer(
                Renderer(template_folders(loaded)), Links(loaded.settings.base_url, signing), sender(loaded), rules_
            ),
            executor=ThreadPoolExecutor(max_workers=loaded.settings.sending.concurrency),
            hashing_key=hashing,
        )

    return build


def sender(loaded: Loaded) -> Any:
    """Who mails are from. Only a delivering transport insists on a real one."""
    from cartctl.jobs.compose import Sender

    settings = loaded.settings
    return Sender(
        sender=settings.from_ or _NOWHERE,
        reply_to=settings.reply_to,
        postal_address=settings.postal_address or "",
    )


def _keys(loaded: Loaded, database: Database, now: datetime) -> tuple[tuple[str, ...], bytes]:
    with database.write() as connection:
        hashing = keys.key(connection, keys.HASHING, now=now).encode()
        signing = loaded.secret_keys or (keys.key(connection, keys.SIGNING, now=now),)
    return signing, hashing


def make_transport(loaded: Loaded) -> Transport:
    """Build the transport that `transport =` names; a key alone never chooses one."""
    settings = loaded.settings
    if settings.transport == "sendgrid":
        from cartctl.mail.sendgrid import SendGrid

        return SendGrid(
            settings.sendgrid.api_key.reveal(),
            host=settings.sendgrid.host,
            timeout=settings.sending.timeout,
            connections=settings.sending.concurrency,
            sandbox=settings.sendgrid.sandbox,
            ca_file=str(loaded.folder("sendgrid") / settings.sendgrid.ca_file) if settings.sendgrid.ca_file else None,
            delivers=delivers(settings),
        )
    from cartctl.mail.outbox import Outbox

    return Outbox(loaded.outbox_folder)


def _plausible(sender_: str) -> bool:
    """Say whether it can stand in a header: a line break in it would make every mail fail."""
    local, _, domain = split_address(sender_)[1].rpartition("@")
    return sender_.isprintable() and bool(local) and "." in domain and " " not in local + domain


def _is_public(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" and "." in (parts.hostname or "") and not _is_loopback(url)


def _is_loopback(url: str) -> bool:
    """Say whether the host is this machine, by name or number: 127.evil.example.com is not."""
    try:
        name = urlsplit(url).hostname or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False
