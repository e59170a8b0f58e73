"""From settings to what the jobs are handed: rules, transport, composer."""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cartctl import resources
from cartctl.config import Loaded
from cartctl.domain.decide import TimeRules
from cartctl.domain.destinations import Host
from cartctl.domain.identity import normalise_email
from cartctl.domain.money import UNKNOWN_CURRENCY
from cartctl.domain.purchases import PurchaseRules
from cartctl.domain.sequences import Sequence
from cartctl.domain.targets import is_this_machine
from cartctl.domain.times import QuietHours, zone_named
from cartctl.errors import ConfigurationError
from cartctl.importers.records import Context
from cartctl.importers.tiktok_signature import App
from cartctl.jobs.rules import Clock, Rules, StoreFacts
from cartctl.jobs.sending import Equipment, Intake
from cartctl.mail.message import Transport, split_address
from cartctl.mail.pretend import Pretend
from cartctl.mail.templates import load_sequences
from cartctl.settings import ResendSettings, SendgridSettings, Settings, SmtpSettings
from cartctl.store import keys
from cartctl.store.database import Database

if TYPE_CHECKING:
    from cartctl.jobs.alerting import Messenger

SWITCH_SECONDS = 0.0005
NO_SENDER = 'from (such as "Example Shop <shop@example.com>")'
DISCOUNT_PARAMETERS = {"shopify": "discount", "woocommerce": "coupon_code"}
"""What shops call the code in a cart's address; any other name is the parameter's own."""
_NOWHERE = "Example Shop <shop@example.com>"


def template_folders(loaded: Loaded) -> list[Path]:
    """The shop's own folder first, the shipped one after it."""
    own = loaded.templates_folder
    return [own, resources.shipped_templates()] if own else [resources.shipped_templates()]


def purchase_rules(settings: Settings) -> PurchaseRules:
    return PurchaseRules(
        slack=settings.purchase.slack,
        idle_after=settings.abandonment.idle_after,
        not_purchases=frozenset(status.lower() for status in settings.purchase.not_purchases),
    )


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
        transport=settings.transport,
        stores={name: store_facts(settings, name) for name in settings.stores},
        default_store=store_facts(settings, None),
        write_to_relay=settings.channels.tiktok.write_to_relay,
        orders_max_age=settings.safety.orders_max_age,
        coupon_cooldown=settings.coupon.cooldown,
        coupon_warn_below=settings.coupon.warn_below,
        test_mode=settings.mode == "test",
        test_recipients=frozenset(normalise_email(address) for address in settings.test_recipients),
        time_scale=settings.time_scale,
    )


def tiktok_app(settings: Settings, *, verify: bool | None = None) -> App | None:
    """Return whose signatures TikTok's dumps must bear: where `verify` asks for them, or both credentials are set."""
    key, secret = settings.tiktok.app_key, settings.tiktok.app_secret
    if key and secret:
        return None if verify is False else App(key, secret.reveal())
    if verify or (verify is None and (key or secret)):
        raise ConfigurationError(
            f"{'--verify' if verify else '[tiktok]'}: signatures are checked with tiktok.app_key and tiktok.app_secret "
            "(CARTCTL_TIKTOK__APP_SECRET in the environment): set both"
        )
    return None


def context(settings: Settings, store: str) -> Context:
    """Return what the configuration says of a store's rows that do not say it themselves."""
    known = settings.store(store)
    return Context(
        store=store,
        zone=zone_named(known.timezone) if known.timezone else None,
        currency=str(known.currency or UNKNOWN_CURRENCY),  # what reads records knows nothing of settings' types
        country=known.country,
        day_first=None if known.date_order is None else known.date_order == "day-first",
    )


def endpoint_context(settings: Settings, store: str) -> Context:
    """Return how a body that was posted to the endpoint is read. TikTok's are signed, and checked once more."""
    return replace(context(settings, store), tiktok_app=tiktok_app(settings))


def intake(loaded: Loaded, *, writes: bool) -> Intake:
    """Return how a run reads what the endpoint took in. Rejects go beside cartctl.toml, else into this folder."""
    return Intake(
        contexts=lambda store: endpoint_context(loaded.settings, store),
        rejects_folder=(loaded.file.parent if loaded.file else Path()) if writes else None,
    )


def store_facts(settings: Settings, name: str | None) -> StoreFacts:
    """Without a brand of its own a store goes by the name in `from`, else by its host."""
    store = settings.store(name or "")
    hosts = tuple(Host.parse(text) for text in store.hosts)
    return StoreFacts(
        brand=store.brand or split_address(settings.from_ or "")[0] or (hosts[0].name if hosts else "our shop"),
        url=store.url or (hosts[0].origins[-1] if hosts else ""),
        zone=zone_named(store.timezone or settings.timezone),
        hosts=hosts,
        picture_hosts=tuple(Host.parse(text) for text in store.picture_hosts),
        discount_parameter=DISCOUNT_PARAMETERS.get(store.discount or "", store.discount or ""),
        logo=store.logo or "",
        colour=store.colour or "",
        postal_address=store.postal_address or settings.postal_address or "",
        support=store.support or "",
        locale=store.locale or "",
    )


def delivering(loaded: Loaded) -> str:
    """Return the name of a transport that delivers, the configured one's or a sequence's; "" for none."""
    try:
        sequences = load_sequences(template_folders(loaded))
    except ConfigurationError:
        sequences = {}  # nothing is sent with them either
    return next((name for name in transports(loaded, sequences) if delivers(loaded.settings, name)), "")


def transports(loaded: Loaded, sequences: Mapping[str, Sequence]) -> list[str]:
    """Return what carries mail, the configured transport first: sequences may have others."""
    own = sorted({sequence.transport for sequence in sequences.values() if sequence.transport})
    return list(dict.fromkeys([loaded.settings.transport, *own]))


def delivers(settings: Settings, transport: str = "") -> bool:
    """Say whether mail handed over now could reach a shopper. `transport` "": the configured one."""
    match transport or settings.transport:
        case "sendgrid":
            return not settings.sendgrid.sandbox and not _is_loopback(settings.sendgrid.host)
        case "resend":
            return not _is_loopback(settings.resend.host)
        case "smtp":  # a mail server on this machine usually does deliver
            return not settings.smtp.sandbox
    return False


def check_sending(loaded: Loaded, transport: str = "") -> None:
    """Refuse a transport that lacks anything, all of it in one message. Costs nothing: it runs on every tick."""
    settings = loaded.settings
    name = transport or settings.transport
    check_senders(settings)
    missing = list(transport_lacks(settings, name))
    if delivers(settings, name):
        if not settings.from_:
            missing.append(NO_SENDER)
        if not settings.postal_address:
            missing.append("postal_address (every mail must show one)")
        if not is_public(settings.base_url):
            missing.append("base_url (the public https address of the recovery links)")
    if missing:
        raise ConfigurationError(f'transport = "{name}" needs {"; ".join(missing)}')


def check_senders(settings: Settings) -> None:
    """Refuse an address that can stand in no header."""
    for key, address in (("from", settings.from_), ("reply_to", settings.reply_to)):
        if address is not None and not _plausible(address):
            raise ConfigurationError(f'{key}: "{address}" is no sender (Example Shop <shop@example.com> is)')


def transport_lacks(settings: Settings, name: str) -> Iterator[str]:
    """Yield what a transport needs of its own, and was not given."""
    if name != "outbox":
        yield from _smtp_lacks(settings.smtp) if name == "smtp" else _api_lacks(settings, name)


def _api_lacks(settings: Settings, name: str) -> Iterator[str]:
    api = settings.resend if name == "resend" else settings.sendgrid
    if not api.api_key:
        yield f"{name.upper()}_API_KEY in the environment (or {name}.api_key)"
    if not api.host.startswith("https://") and not _is_loopback(api.host):
        raise ConfigurationError(f'{name}.host: "{api.host}" is no https address: the key would travel in the clear')


def _smtp_lacks(smtp: SmtpSettings) -> Iterator[str]:
    if not smtp.host:
        yield "smtp.host (the server's name)"
        return
    if not re.fullmatch(r"[A-Za-z0-9._:-]+", smtp.host) or smtp.host.count(":") == 1:
        raise ConfigurationError(f'smtp.host: "{smtp.host}" is no name of a server (the port belongs into smtp.port)')
    if smtp.username and not smtp.password:
        yield "SMTP_PASSWORD in the environment (or smtp.password)"
    if smtp.password and not smtp.username:
        yield "smtp.username (there is a password)"
    if smtp.security == "none" and smtp.username and not _is_this_machine(smtp.host):
        raise ConfigurationError('smtp.security = "none": the password would travel in the clear')


def refuse_rehearsal(loaded: Loaded, database: Database, transport: str = "") -> None:
    """Keep a delivering transport away from a database that was written under a clock set by hand."""
    if not delivers(loaded.settings, transport):
        return
    with database.read() as connection:
        if keys.is_rehearsal(connection):
            raise ConfigurationError(
                "this database is a rehearsal (it was written under --at): its times are not real, so no mail is sent "
                "from it. Import your files into another database, without --at"
            )


def equip(
    loaded: Loaded, rules_: Rules, clock: Clock, *, pretends: bool = False
) -> Callable[[Database, str], Equipment]:
    """Return what builds a transport ("": the configured one), composer and threads when there is something to send.

    It raises ConfigurationError where the transport lacks anything. `pretends`: nothing may leave.
    """

    def build(database: Database, name: str) -> Equipment:
        check_sending(loaded, name)
        refuse_rehearsal(loaded, database, name)
        from concurrent.futures import ThreadPoolExecutor

        from cartctl.jobs.compose import Composer
        from cartctl.mail.links import Links
        from cartctl.mail.render import Renderer

        # Rendering keeps the interpreter busy: else a thread with an answer to read waits 5 ms for it, again and again.
        sys.setswitchinterval(SWITCH_SECONDS)
        signing, hashing = secret_keys(loaded, database, clock())
        return Equipment(
            transport=pretend(loaded.settings, name) if pretends else make_transport(loaded, hashing, clock, name),
            composer=Composer(
                Renderer(template_folders(loaded)), Links(loaded.settings.base_url, signing), sender(loaded), rules_
            ),
            executor=ThreadPoolExecutor(max_workers=loaded.settings.sending.concurrency),
            hashing_key=hashing,
        )

    return build


def messenger(loaded: Loaded, database: Database, clock: Clock, *, rehearses: bool) -> "Callable[[], Messenger]":
    """Return what builds the way alerts go, when there is one to tell. A rehearsal calls nobody outside."""

    def build() -> "Messenger":
        from cartctl.jobs.alerting import Messenger
        from cartctl.mail.alerts import Alerts

        _, hashing = secret_keys(loaded, database, clock())
        ways = Alerts(
            transport=lambda: make_transport(loaded, hashing, clock),
            sender=loaded.settings.from_ or _NOWHERE,
            clock=clock,
            may_call=lambda url: not rehearses or is_this_machine(url),
        )
        return Messenger(targets={name: one.reveal() for name, one in loaded.settings.alerts.items()}, tell=ways.tell)

    return build


def sender(loaded: Loaded) -> Any:
    """Who mails are from. Only a delivering transport insists on a real one."""
    from cartctl.jobs.compose import Sender

    settings = loaded.settings
    return Sender(
        sender=settings.from_ or _NOWHERE,
        reply_to=settings.reply_to,
    )


def secret_keys(loaded: Loaded, database: Database, now: datetime) -> tuple[tuple[str, ...], bytes]:
    """Return the keys that sign links (the first signs, all verify) and the one that addresses are hashed with.

    Only the first use of a database waits for its turn to write.
    """
    with database.read() as connection:
        hashed_with, signed_with = (keys.known(connection, name) for name in (keys.HASHING, keys.SIGNING))
    if hashed_with and (loaded.secret_keys or signed_with):
        return loaded.secret_keys or (str(signed_with),), hashed_with.encode()
    with database.write() as connection:
        hashing = keys.key(connection, keys.HASHING, now=now).encode()
        signing = loaded.secret_keys or (keys.key(connection, keys.SIGNING, now=now),)
    return signing, hashing


def pretend(settings: Settings, transport: str = "") -> Transport:
    """Return what stands for a transport ("": the configured one) where nothing may leave."""
    return Pretend(transport or settings.transport, delivers(settings, transport))


def hashing_key(database: Database) -> bytes:
    """Return the key under which addresses are suppressed; without one nobody was ever suppressed."""
    with database.read() as connection:
        return (keys.known(connection, keys.HASHING) or "").encode()


def make_transport(loaded: Loaded, hashing_key_: bytes, clock: Clock, transport: str = "") -> Transport:
    """Build the transport of a sequence, or the one that `transport =` names; a key alone never chooses one."""
    settings = loaded.settings
    name = transport or settings.transport
    if name == "sendgrid":
        from cartctl.mail.sendgrid import SendGrid

        return SendGrid(
            settings.sendgrid.api_key.reveal(),
            host=settings.sendgrid.host,
            sandbox=settings.sendgrid.sandbox,
            clock=clock,
            database_id=keys.database_id(hashing_key_),
            **_network(loaded, "sendgrid", settings.sendgrid),
        )
    if name == "resend":
        from cartctl.mail.resend import Resend

        return Resend(
            settings.resend.api_key.reveal(),
            host=settings.resend.host,
            clock=clock,
            database_id=keys.database_id(hashing_key_),
            **_network(loaded, "resend", settings.resend),
        )
    if name == "smtp":
        from cartctl.mail.smtp import Smtp

        return Smtp(
            settings.smtp.host or "",
            port=settings.smtp.port,
            security=settings.smtp.security,
            username=settings.smtp.username or "",
            password=settings.smtp.password.reveal().strip(),
            database_id=keys.database_id(hashing_key_),
            **_network(loaded, "smtp", settings.smtp),
        )
    from cartctl.mail.outbox import Outbox

    return Outbox(loaded.outbox_folder)


def _network(loaded: Loaded, name: str, section: SendgridSettings | ResendSettings | SmtpSettings) -> dict[str, Any]:
    """Return what every transport over the network is told."""
    settings = loaded.settings
    ca_file = str(loaded.folder(name) / section.ca_file) if section.ca_file else None
    return {"timeout": settings.sending.timeout, "ca_file": ca_file, "delivers": delivers(settings, name)}


def _plausible(sender_: str) -> bool:
    """Say whether it can stand in a header: a line break in it would make every mail fail."""
    local, _, domain = split_address(sender_)[1].rpartition("@")
    return sender_.isprintable() and bool(local) and "." in domain and " " not in local + domain


def is_public(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" and "." in (parts.hostname or "") and not _is_loopback(url)


def _is_loopback(url: str) -> bool:
    try:
        return _is_this_machine(urlsplit(url).hostname or "")
    except ValueError:
        return False


def _is_this_machine(name: str) -> bool:
    """Say whether a host is this machine, by name or number: 127.evil.example.com is not."""
    try:
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False
