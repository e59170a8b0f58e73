"""How much anybody may ask: requests a minute, bytes a body, seconds to send it. Per process: nothing is shared.

Whose request it is: the peer's address, or, where the peer is one of `web.trusted_proxies`, the last address in
X-Forwarded-For that is none of them. Addresses are held in memory alone.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_BYTES = 256 * 1024
WEBHOOK_BYTES = 1024 * 1024
"""SendGrid posts up to 768 kB of events at once; what is refused for its size is sent again for a day, then lost."""
BODY_SECONDS = 10.0
PER_MESSAGE = 30
"""How often a minute the links of one message may be followed."""
_REMEMBERED = 50_000

Network = IPv4Network | IPv6Network
Monotonic = Callable[[], float]
"""Returns seconds from any start."""


class Allowance:
    """So many requests a minute for each key, all of them at once if need be. 0: no limit."""

    def __init__(self, per_minute: int, clock: Monotonic) -> None:
        self._per_minute, self._clock = per_minute, clock
        self._buckets: OrderedDict[object, tuple[float, float]] = OrderedDict()

    def wait(self, key: object) -> float:
        """Take one request out of the key's allowance; return the seconds until there is one again, 0 if there was."""
        if not self._per_minute:
            return 0.0
        now, a_second = self._clock(), self._per_minute / 60
        left, at = self._buckets.pop(key, (float(self._per_minute), now))
        left = min(self._per_minute, left + (now - at) * a_second)
        allowed = left >= 1
        self._buckets[key] = (left - 1 if allowed else left, now)
        if len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - left) / a_second


class Clients:
    """Tells whose request it is."""

    def __init__(self, trusted_proxies: Sequence[str], scanners: Sequence[str]) -> None:
        self._proxies = tuple(ip_network(each, strict=False) for each in trusted_proxies)
        self._scanners = tuple(ip_network(each, strict=False) for each in scanners)

    def address(self, scope: Scope) -> str:
        """Return the client's address; "" where the server does not know one (a Unix socket)."""
        peer = scope["client"][0] if scope.get("client") else ""
        if not self._proxies or not _within(peer, self._proxies):
            return str(peer)
        forwarded = ",".join(Headers(scope=scope).getlist("x-forwarded-for")).split(",")
        for hop in reversed([each.strip() for each in forwarded]):
            if not _is_address(hop):
                return str(peer)
            if not _within(hop, self._proxies):
                return hop
        return str(peer)

    def is_scanner(self, address: str) -> bool:
        return bool(self._scanners) and _within(address, self._scanners)


def allowance_key(address: str) -> str:
    """Whoever has an IPv6 address has 2^64 of them: they share one allowance."""
    if ":" not in address or not _is_address(address):
        return address
    parsed = ip_address(address)
    assert isinstance(parsed, IPv6Address)
    return str(parsed.ipv4_mapped or IPv6Network((int(parsed) >> 64 << 64, 64)))


@lru_cache(maxsize=4096)
def _within(address: str, networks: tuple[Network, ...]) -> bool:
    if not _is_address(address):
        return False
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return any(parsed in network for network in networks)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


class SlowBody:
    """Gives up on a body that is not there in time. uvicorn itself would wait for ever.

    Time counts from the first piece that is asked for; what a route never reads is nobody's concern.
    """

    def __init__(self, app: ASGIApp, refuse: ASGIApp, seconds: float = BODY_SECONDS) -> None:
        self._app, self._refuse, self._seconds = app, refuse, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        loop = asyncio.get_running_loop()
        deadline, complete = None, False

        async def receive_in_time() -> Message:
            nonlocal deadline, complete
            if complete:  # only a disconnect can come now, and it may take its time
                return await receive()
            deadline = deadline or loop.time() + self._seconds
            try:
                message = await asyncio.wait_for(receive(), deadline - loop.time())
            except TimeoutError:
                raise _TooSlowError from None
            complete = not message.get("more_body", False)
            return message

        try:
            await self._app(scope, receive_in_time, send)
        except _TooSlowError:
            await self._refuse(scope, receive, send)


class _TooSlowError(Exception):
    """The body did not come in time."""
