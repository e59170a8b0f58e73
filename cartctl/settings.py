"""The settings: which keys there are, what they hold, and what they are when nothing is said. No file is read here."""

import re
import typing
from datetime import timedelta
from ipaddress import ip_network
from typing import Literal

import msgspec

from cartctl.domain.destinations import Host, destination
from cartctl.domain.targets import is_safe_url, refused_target
from cartctl.domain.times import format_duration
from cartctl.domain.variants import fallbacks
from cartctl.values import Country, Currency, Duration, Hours, Secret, Section, ZoneName, hours

MAX_STORE_NAME = 60
SHORTEST_RETENTION = timedelta(days=30)
"""Until then a cart that is touched again is the same cart."""
MIN_KEY = 20
SHOPIFY_PICTURES = "cdn.shopify.com"
"""Where every shop at Shopify has its pictures."""


class Abandonment(Section, frozen=True):
    idle_after: Duration = hours(minutes=30)
    max_age: Duration = hours(hours=72)


class PurchaseSettings(Section, frozen=True):
    slack: Duration = hours(hours=1)
    not_purchases: tuple[str, ...] = ("failed", "voided", "cancelled", "expired")


class Sending(Section, frozen=True):
    concurrency: int = 16
    lease: Duration = hours(minutes=5)
    timeout: Duration = hours(seconds=20)
    rate_per_second: float | None = None
    min_gap: Duration = hours(hours=12)
    grace: Duration = hours(hours=24)
    cap: int = 5
    cap_window: Duration = hours(days=7)
    quiet_hours: Hours | None = None


class Safety(Section, frozen=True):
    orders_max_age: Duration = hours(hours=26)


class CouponSettings(Section, frozen=True):
    cooldown: Duration = hours(days=90)
    warn_below: int = 50


class ConsentSettings(Section, frozen=True):
    require: Literal["none", "not-refused", "opt-in"] = "not-refused"


class ReportSettings(Section, frozen=True):
    recovery_window: Duration = hours(days=14)
    attribution_window: Duration = hours(days=5)


class RetentionSettings(Section, frozen=True):
    personal_data: Duration | None = None


class SendgridSettings(Section, frozen=True):
    api_key: Secret = Secret("")
    host: str = "https://api.sendgrid.com"
    sandbox: bool = False
    ca_file: str | None = None
    webhook_key: Secret = Secret("")


class ResendSettings(Section, frozen=True):
    api_key: Secret = Secret("")
    webhook_secret: Secret = Secret("")
    host: str = "https://api.resend.com"
    ca_file: str | None = None


class SmtpSettings(Section, frozen=True):
    host: str | None = None
    port: int | None = None
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str | None = None
    password: Secret = Secret("")
    sandbox: bool = False
    ca_file: str | None = None


class NotionContacts(Section, frozen=True):
    """Where contacts are shown, and what each property is called there; "" is not shown."""

    database: str | None = None
    data_source: str | None = None
    id: str = "cartctl ID"
    name: str = "Name"
    email: str = "Email"
    business: str = "Business"
    sequence: str = "Sequence"
    segment: str = "Segment"
    phase: str = "Phase"
    mail: str = "Mail {n} sent"
    test: str = "Test"
    attributes: dict[str, str] = msgspec.field(default_factory=dict)


class NotionMessages(Section, frozen=True):
    database: str | None = None
    data_source: str | None = None
    id: str = "cartctl ID"
    name: str = "Name"
    contact: str = "Contact"
    sequence: str = "Sequence"
    step: str = "Step"
    state: str = "State"
    at: str = "When"
    receipt: str = "Receipt"
    test: str = "Test"


class NotionTemplates(Section, frozen=True):
    database: str | None = None
    data_source: str | None = None
    id: str = "Name"
    subject: str = "Subject"


class NotionSettings(Section, frozen=True):
    api_key: Secret = Secret("")
    host: str = "https://api.notion.com"
    ca_file: str | None = None
    requests_per_second: float = 3
    sequences: tuple[str, ...] = ()
    contacts: NotionContacts = NotionContacts()
    messages: NotionMessages = NotionMessages()
    templates: NotionTemplates = NotionTemplates()


class TiktokSettings(Section, frozen=True):
    app_key: str | None = None
    app_secret: Secret = Secret("")


class TiktokChannel(Section, frozen=True):
    write_to_relay: bool = False


class Channels(Section, frozen=True):
    tiktok: TiktokChannel = TiktokChannel()


class LogSettings(Section, frozen=True):
    format: Literal["text", "json"] = "text"


class MetricsSettings(Section, frozen=True):
    textfile: str | None = None


class HealthcheckSettings(Section, frozen=True):
    url: Secret = Secret("")


class DoctorSettings(Section, frozen=True):
    dkim_selectors: tuple[str, ...] = ()
    nameserver: str | None = None


class WebSettings(Section, frozen=True):
    trusted_proxies: tuple[str, ...] = ()
    rate_limit: int = 300
    rate_limit_per_key: int = 6000
    report_key: Secret = Secret("")
    scanners: tuple[str, ...] = ()


class Store(Section, frozen=True):
    hosts: tuple[str, ...] = ()
    image_hosts: tuple[str, ...] | None = None
    currency: Currency | None = None
    timezone: ZoneName | None = None
    country: Country | None = None
    date_order: Literal["day-first", "month-first"] | None = None
    brand: str | None = None
    url: str | None = None
    discount: str | None = None
    logo: str | None = None
    colour: str | None = None
    api_key: Secret = Secret("")
    shopify_secret: Secret = Secret("")
    tiktok_shop_id: str | None = None
    postal_address: str | None = None
    support: str | None = None
    locale: str | None = None

    @property
    def picture_hosts(self) -> tuple[str, ...]:
        """Where pictures may come from: the shop's own hosts, and those of its pictures alone."""
        if self.image_hosts is not None:
            return self.hosts + self.image_hosts
        at_shopify = any(host.lower().rstrip(".").endswith(".myshopify.com") for host in self.hosts)
        is_shopifys = self.discount == "shopify" or bool(self.shopify_secret) or at_shopify
        return (*self.hosts, SHOPIFY_PICTURES) if is_shopifys else self.hosts


class Settings(Section, frozen=True):
    """All of cartctl.toml. The README's configuration reference lists every key."""

    transport: Literal["outbox", "sendgrid", "resend", "smtp"] = "outbox"
    database: Secret = Secret("sqlite:///cartctl.db")
    outbox: str = "outbox"
    templates: str | None = None
    base_url: str = "http://localhost:8000"
    from_: str | None = None
    reply_to: str | None = None
    postal_address: str | None = None
    timezone: ZoneName = ZoneName("UTC")
    mode: Literal["live", "test"] = "live"
    test_recipients: tuple[str, ...] = ()
    time_scale: float = 1
    abandonment: Abandonment = Abandonment()
    purchase: PurchaseSettings = PurchaseSettings()
    sending: Sending = Sending()
    safety: Safety = Safety()
    coupon: CouponSettings = CouponSettings()
    consent: ConsentSettings = ConsentSettings()
    report: ReportSettings = ReportSettings()
    retention: RetentionSettings = RetentionSettings()
    sendgrid: SendgridSettings = SendgridSettings()
    resend: ResendSettings = ResendSettings()
    smtp: SmtpSettings = SmtpSettings()
    notion: NotionSettings = NotionSettings()
    tiktok: TiktokSettings = TiktokSettings()
    channels: Channels = Channels()
    log: LogSettings = LogSettings()
    metrics: MetricsSettings = MetricsSettings()
    healthcheck: HealthcheckSettings = HealthcheckSettings()
    doctor: DoctorSettings = DoctorSettings()
    web: WebSettings = WebSettings()
    alerts: dict[str, Secret] = msgspec.field(default_factory=dict)
    coupons: dict[str, str] = msgspec.field(default_factory=dict)
    mappings: dict[str, dict[str, str]] = msgspec.field(default_factory=dict)
    stores: dict[str, Store] = msgspec.field(default_factory=dict)

    def store(self, name: str) -> Store:
        return self.stores.get(name, Store())


def wrong_values(settings: Settings) -> typing.Iterator[tuple[str, str]]:
    """Yield (key, complaint) for what has the right type and cannot be meant."""
    sending = settings.sending
    for name, number, low, high in (("concurrency", sending.concurrency, 1, 256), ("cap", sending.cap, 0, 1000)):
        if not low <= number <= high:
            yield f"sending.{name}", f"{number} is not between {low} and {high}"
    if sending.rate_per_second is not None and not 0.01 <= sending.rate_per_second <= 10_000:
        yield "sending.rate_per_second", f"{sending.rate_per_second:g} is not between 0.01 and 10000"
    elif not timedelta(0) < sending.timeout < sending.lease / 2:
        yield (
            "sending.timeout",
            (
                f"{sending.timeout.total_seconds():g} s is not below half of sending.lease "
                f"({sending.lease.total_seconds():g} s): a slow answer would find its message taken by another run"
            ),
        )
    elif sending.rate_per_second and timedelta(seconds=1 / sending.rate_per_second) >= sending.lease - sending.timeout:
        yield (
            "sending.rate_per_second",
            (
                f"{sending.rate_per_second:g} leaves {1 / sending.rate_per_second:g} s between two messages: their "
                f"sending.lease of {sending.lease.total_seconds():g} s would run out meanwhile"
            ),
        )
    if (kept := settings.retention.personal_data) is not None and kept < SHORTEST_RETENTION:
        shortest = format_duration(SHORTEST_RETENTION)
        yield (
            "retention.personal_data",
            f"{format_duration(kept)} is less than {shortest}: it may still be at work",
        )
    if not settings.base_url.startswith(("http://", "https://")):
        yield "base_url", f'"{settings.base_url}" is no URL (https://mail.example.com is)'
    if settings.smtp.port is not None and not 1 <= settings.smtp.port <= 65535:
        yield "smtp.port", f"{settings.smtp.port} is not between 1 and 65535"
    if settings.healthcheck.url and not is_safe_url(settings.healthcheck.url.reveal()):
        yield "healthcheck.url", "is no https address (http is for this machine alone)"  # not which: it is a secret
    if settings.mode == "test" and not settings.test_recipients:
        yield "test_recipients", 'mode = "test" needs an address that tests may go to'
    for number, address in enumerate(settings.test_recipients, start=1):
        if address.count("@") != 1 or address.strip("@") != address:
            yield "test_recipients", f"number {number} is no e-mail address"
    if not 0.1 <= settings.notion.requests_per_second <= 10_000:
        yield "notion.requests_per_second", f"{settings.notion.requests_per_second:g} is not between 0.1 and 10000"
    if not is_safe_url(settings.notion.host):
        yield "notion.host", f'"{settings.notion.host}" is no https address: the key would travel in the clear'
    for name in ("contacts", "messages", "templates"):
        if not getattr(settings.notion, name).id:
            yield f"notion.{name}.id", "a page is known by it: it needs a property"
    if not settings.notion.templates.subject:
        yield "notion.templates.subject", "every text has one: it needs a property"
    if (mail := settings.notion.contacts.mail) and "{n}" not in mail:
        yield "notion.contacts.mail", f'"{mail}" has no {{n}}: each mail of a sequence has a property of its own'
    if not 1 <= settings.time_scale <= 100_000:
        yield "time_scale", f"{settings.time_scale:g} is not between 1 and 100000"
    if not 0 <= settings.coupon.warn_below <= 1_000_000:
        yield "coupon.warn_below", f"{settings.coupon.warn_below} is not between 0 and 1000000"
    for key in ("trusted_proxies", "scanners"):
        for address in getattr(settings.web, key):
            if complaint := _refused(ip_network, address):
                yield f"web.{key}", complaint
    for key in ("rate_limit", "rate_limit_per_key"):
        if (number := getattr(settings.web, key)) < 0:
            yield f"web.{key}", f"{number} is below 0 (0: no limit)"
    yield from _wrong_keys(settings)
    for name, target in settings.alerts.items():
        if complaint := refused_target(target.reveal()):
            yield f"alerts.{name}", complaint
    for name, store in settings.stores.items():
        if not 1 <= len(name) <= MAX_STORE_NAME:
            yield f"stores.{name}", f"a store's name has 1 to {MAX_STORE_NAME} characters"
        yield from ((f"stores.{name}.{key}", complaint) for key, complaint in _wrong_in_store(store))


def _wrong_keys(settings: Settings) -> typing.Iterator[tuple[str, str]]:
    """Keys that whoever calls the endpoint must know. None of them is shown."""
    owners: dict[str, str] = {}
    places = {f"stores.{name}.api_key": store.api_key for name, store in settings.stores.items()}
    for place, secret in (places | {"web.report_key": settings.web.report_key}).items():
        for key in secret.each():
            if len(key) < MIN_KEY or not key.isascii():
                yield place, f"a key has at least {MIN_KEY} characters of ASCII (`openssl rand -hex 32` makes one)"
            if owners.setdefault(key, place) != place:
                yield place, f"is a key of {owners[key]} too: each names whose it is"


def _wrong_in_store(store: Store) -> typing.Iterator[tuple[str, str]]:
    for key, texts in (("hosts", store.hosts), ("image_hosts", store.image_hosts or ())):
        for text in texts:
            if complaint := _refused(Host.parse, text):
                yield key, complaint
                return
    hosts = [Host.parse(text) for text in store.picture_hosts]
    if store.discount is not None and not re.fullmatch(r"[A-Za-z0-9_.-]{1,40}", store.discount):
        yield "discount", f'"{store.discount}" is neither "shopify", "woocommerce" nor a name of a URL parameter'
    if store.colour is not None and not re.fullmatch("#[0-9A-Fa-f]{6}", store.colour):
        yield "colour", f'"{store.colour}" is no colour (#1f4fd8 is)'
    if store.logo is not None and destination(store.logo, hosts) is None:
        yield "logo", f'"{store.logo}" is no https address on one of the hosts or image_hosts of the store'
    if store.support is not None and not re.fullmatch(
        r"https://[^\s/]+\S*|[^\s@:/]+@[^\s@:/]+\.[^\s@:/]+", store.support
    ):
        yield "support", f'"{store.support}" is neither an e-mail address nor an https address'
    if store.locale is not None and not fallbacks(store.locale):
        yield "locale", f'"{store.locale}" is no locale ("de" and "de_AT" are)'


def _refused(read: typing.Callable[[str], object], text: str) -> str | None:
    """Return why `read` does not take a text."""
    try:
        read(text)
    except ValueError as error:
        return str(error) or f'"{text}" cannot be read'
    return None
