"""The shop's rules and surroundings, as the jobs are handed them: settings without their source."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from cartctl.domain.decide import TimeRules
from cartctl.domain.destinations import Host
from cartctl.domain.identity import is_relay
from cartctl.domain.purchases import PurchaseRules
from cartctl.domain.sequences import Sequence, Step
from cartctl.domain.times import zone_named

Clock = Callable[[], datetime]
"""Returns now, aware UTC; read once a chunk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFacts:
    """What mails and rules need to know of one store."""

    brand: str
    url: str
    zone: tzinfo
    hosts: tuple[Host, ...] = ()
    """Where a recovery link may lead."""
    picture_hosts: tuple[Host, ...] = ()
    """Where a page's pictures may come from; `hosts` are among them."""
    discount_parameter: str = ""
    """What the shop calls the code in a cart's address; "": it cannot be told one."""
    logo: str = ""
    colour: str = ""
    """`#1f4fd8`; "": none of its own."""
    postal_address: str = ""
    support: str = ""
    """Whom shoppers may ask: an e-mail address, or an https one."""
    locale: str = ""
    """Of carts that name none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Everything that decides who is written to, and when."""

    purchase: PurchaseRules
    time: TimeRules
    max_age: timedelta
    lease: timedelta
    consent_required: str
    coupons: Mapping[str, str]
    sequences: Mapping[str, Sequence]
    transport: str = ""
    """The configured one: it carries what no sequence sends by another."""
    stores: Mapping[str, StoreFacts]
    default_store: StoreFacts
    write_to_relay: bool = False
    """Whether a marketplace's relay addresses may be written to."""
    orders_max_age: timedelta = timedelta(0)
    """How old a feed of orders may be; 0: as old as it likes."""
    coupon_cooldown: timedelta = timedelta(0)
    """Who was shown a code within it is shown none."""
    coupon_warn_below: int = 0
    """Of fewer unused codes a warning is given; 0: never."""
    test_mode: bool = False
    """Whether all mail but tests to `test_recipients` is held."""
    test_recipients: frozenset[str] = frozenset()
    """Normalised addresses; what they leave behind in test mode is a test."""
    time_scale: float = 1
    """How many times as fast tests go."""

    @property
    def elsewhere(self) -> dict[str, frozenset[str]]:
        """Return by transport the sequences that it carries, without those of the configured one."""
        found: dict[str, set[str]] = {}
        for name, sequence in self.sequences.items():
            if sequence.transport and sequence.transport != self.transport:
                found.setdefault(sequence.transport, set()).add(name)
        return {transport: frozenset(names) for transport, names in sorted(found.items())}

    def store(self, name: str) -> StoreFacts:
        return self.stores.get(name, self.default_store)

    def zone(self, store: str, cart_timezone: str) -> tzinfo:
        """The shopper's zone: the cart's, if this machine knows it, else the store's."""
        try:
            return zone_named(cart_timezone) if cart_timezone else self.store(store).zone
        except ValueError:
            return self.store(store).zone

    def step(self, sequence: str, key: str, *, is_test: bool = False) -> Step | None:
        """Return a step; None where the templates have it no longer."""
        found = self.sequences.get(sequence)
        step = found.step(key) if found else None
        return self.paced(step, is_test=is_test) if step else None

    def paced(self, step: Step, *, is_test: bool) -> Step:
        """Return the step with its delays as they are for tests, or for all others."""
        return step.faster(self.time_scale) if is_test else step

    def time_for(self, *, is_test: bool) -> TimeRules:
        return self.time.faster(self.time_scale) if is_test else self.time

    def enrolls_as_test(self, email: str) -> bool:
        return self.test_mode and email in self.test_recipients

    def may_write_to(self, email: str) -> bool:
        return self.write_to_relay or not is_relay(email)

    @property
    def asked_for(self) -> frozenset[str]:
        """The coupons that steps ask for."""
        return frozenset(step.coupon for one in self.sequences.values() for step in one.steps if step.coupon)

    def coupon_code(self, name: str | None) -> str | None:
        return self.coupons.get(name) if name else None
