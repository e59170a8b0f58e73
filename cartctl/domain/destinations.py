"""Where a recovery link may lead: to the shop's own hosts and nowhere else, and what is added on the way.

Cart addresses come from exports and from shops' web pages, so anybody may have written them. An address is taken apart,
compared, and put together anew in ASCII: a browser and this module cannot read it differently.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Self
from urllib.parse import quote, unquote_plus, urlencode, urlsplit

_PORTS = {"https": 443, "http": 80}
_DEVIATING = frozenset("ßς\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}")
"""Python's IDNA (2003) and browsers (UTS 46, non-transitional) make different hosts of these."""
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*|\[[0-9a-f:.]+\]")
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")
_KEPT = "%/:?#[]@!$&'()*+,;=~"
"""What stays as it is beside letters, digits, `_`, `.` and `-`; all else is percent-encoded."""


@dataclass(frozen=True, slots=True)
class Host:
    """A host of the shop, as `stores.NAME.hosts` names it."""

    name: str
    """ASCII (punycode), lower case; an IPv6 address in brackets."""
    port: int | None
    """None: the scheme's own."""
    plain: bool
    """Whether http will do: written as `http://…`, or this machine."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `shop.example.com`, `shop.example.com:8443` or `http://shop.example.com`. Raises ValueError."""
        parts = urlsplit(text if "://" in text else f"https://{text}")
        if parts.scheme not in _PORTS or parts.username is not None or parts.path + parts.query + parts.fragment:
            raise ValueError(f'"{text}" is no host (shop.example.com is, and http://shop.example.com:8080)')
        name = _ascii(parts.hostname or "")
        return cls(name, parts.port, parts.scheme == "http" or _is_this_machine(name))

    @property
    def origins(self) -> list[str]:
        """What a Content-Security-Policy calls it."""
        port = f":{self.port}" if self.port else ""
        return [f"{scheme}://{self.name}{port}" for scheme in (("https", "http") if self.plain else ("https",))]

    def is_at(self, scheme: str, name: str, port: int | None) -> bool:
        if name != self.name or not (scheme == "https" or self.plain):
            return False
        return (port or _PORTS[scheme]) == (self.port or _PORTS[scheme])


def destination(url: str, hosts: Iterable[Host]) -> str | None:
    """Return the address as it may stand in a Location header; None where it leads anywhere else than to `hosts`.

    Refused as well: what a browser might read in another way (a backslash, a blank, a control character, a user name,
    a relative address).
    """
    if _UNSAFE.search(url):
        return None
    try:
        parts = urlsplit(url)
        name, port = _ascii(parts.hostname or ""), parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or "@" in parts.netloc:
        return None
    if not any(host.is_at(parts.scheme, name, port) for host in hosts):
        return None
    rest = (
        f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}{'#' if parts.fragment else ''}{parts.fragment}"
    )
    shown_port = f":{port}" if port and port != _PORTS[parts.scheme] else ""
    return f"{parts.scheme}://{name}{shown_port}{quote(rest, safe=_KEPT)}"


def with_parameters(url: str, added: Mapping[str, str], replaced: Mapping[str, str]) -> str:
    """Append parameters to a URL. What is there stays as it is written; only what `replaced` names gives way.

    A name of `added` that is there already is left to the shop.
    """
    rest, hash_, fragment = url.partition("#")
    base, _, query = rest.partition("?")
    parts = [part for part in query.split("&") if part and _name(part) not in replaced]
    there = {_name(part) for part in parts}
    new = {name: value for name, value in added.items() if name not in there} | dict(replaced)
    query = "&".join([*parts, *([_encoded(tuple(new.items()))] if new else [])])
    return f"{base}{'?' if query else ''}{query}{hash_}{fragment}"


@lru_cache(maxsize=1024)
def _encoded(parameters: tuple[tuple[str, str], ...]) -> str:
    """Those of one step's mails are the same again and again."""
    return urlencode(parameters)


def _name(part: str) -> str:
    return unquote_plus(part.partition("=")[0])


def _ascii(name: str) -> str:
    """Fold a host name so that two spellings of one host are equal. Raises ValueError."""
    if _DEVIATING & set(name):
        raise ValueError(f'"{name}": write it in punycode (xn--…)')
    if ":" in name:
        return f"[{ip_address(name).compressed}]"
    # Python's codec takes milliseconds to load, which a tick with the usual hosts need not pay.
    folded = (name if name.isascii() else name.encode("idna").decode()).lower().removesuffix(".")
    if not _NAME.fullmatch(folded):
        raise ValueError(f'"{name}" is no host name')
    return folded


def _is_this_machine(name: str) -> bool:
    try:
        return name == "localhost" or ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
