"""What DNS says of a sender's domain: SPF (RFC 7208), DKIM (RFC 6376), DMARC (RFC 7489). Asked by `doctor` alone."""

from collections.abc import Sequence

import dns.exception
import dns.resolver

from cartctl.domain.findings import Finding, fail, ok, warn
from cartctl.errors import ConfigurationError

SECONDS = 5.0
"""For one question, all name servers and repetitions together."""
DKIM_SELECTORS = {"sendgrid": ("s1", "s2"), "resend": ("resend",)}
"""Under which names these providers publish their keys at a shop's domain, unless the shop chose others."""


class UnansweredError(Exception):
    """DNS gave no answer: nothing is known of the domain."""


class Records:
    """Asks this machine's name servers, or `nameserver`, an IP address with or without `:port`."""

    def __init__(self, nameserver: str | None = None) -> None:
        try:
            self._resolver = dns.resolver.Resolver(configure=nameserver is None)
            if nameserver is not None:
                address, _, port = nameserver.rpartition(":") if nameserver.count(":") == 1 else (nameserver, "", "")
                self._resolver.nameservers = [address]
                self._resolver.port = int(port or 53)
        except (dns.exception.DNSException, ValueError):
            raise ConfigurationError(f'doctor.nameserver: "{nameserver}" is no address of a name server') from None
        self._resolver.lifetime = SECONDS

    def texts(self, name: str) -> list[str]:
        """Return the TXT records of a name, none where there is none. Raises UnansweredError."""
        try:
            answer = self._resolver.resolve(name, "TXT", search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except dns.exception.DNSException as error:
            raise UnansweredError(type(error).__name__) from None
        return [b"".join(record.strings).decode("ascii", "replace") for record in answer]

    def look_at(self, domain: str, selectors: Sequence[str]) -> list[Finding]:
        """Judge all three records. Without an answer there is one finding that says so."""
        try:
            return [self._spf(domain), self._dkim(domain, selectors), self._dmarc(domain)]
        except UnansweredError as error:
            return [warn("dns", f"nobody answers for {domain} ({error}): is there a name server? Try again later")]

    def _spf(self, domain: str) -> Finding:
        records = [text for text in self.texts(domain) if text.lower().split(" ")[0] == "v=spf1"]
        if not records:
            return warn("spf", f'{domain} has no SPF record: publish the one your provider names (TXT "v=spf1 … ~all")')
        if len(records) > 1:
            return fail("spf", f"{domain} has {len(records)} SPF records, which counts as none: leave one")
        last = records[0].lower().split()[-1]
        if last in ("all", "+all"):
            return fail("spf", f'the SPF record of {domain} ends in "{last}": everybody may send for it; write "~all"')
        return ok("spf", f"{domain} has one SPF record")

    def _dkim(self, domain: str, selectors: Sequence[str]) -> Finding:
        if not selectors:
            return warn("dkim", "under which name the server signs is not known: name it in doctor.dkim_selectors")
        names = [f"{selector}._domainkey.{domain}" for selector in selectors]
        found = [name for name in names if any(_is_key(text) for text in self.texts(name))]
        if not found:
            return fail(
                "dkim",
                f"no DKIM key at {' or '.join(names)}: set up the domain with your provider, or name its selector in "
                "doctor.dkim_selectors",
            )
        return ok("dkim", f"a key is at {' and '.join(found)}")

    def _dmarc(self, domain: str) -> Finding:
        """The policy of the domain, else of the nearest one above that has one."""
        labels = domain.split(".")
        for start in range(max(1, len(labels) - 1)):
            place = ".".join(labels[start:])
            records = [text for text in self.texts(f"_dmarc.{place}") if text.replace(" ", "").startswith("v=DMARC1")]
            if len(records) > 1:
                return fail("dmarc", f"_dmarc.{place} has {len(records)} DMARC records, which count as none: leave one")
            if records:
                tags = dict(tag.strip().split("=", 1) for tag in records[0].split(";") if "=" in tag)
                policy = tags.get("p", "").strip() or "no policy"
                return ok("dmarc", f"{place} has a DMARC record ({policy})")
        return warn(
            "dmarc",
            f'{domain} has no DMARC record: Gmail and Yahoo want one (TXT "v=DMARC1; p=none" at _dmarc.{domain})',
        )


def _is_key(text: str) -> bool:
    """A key with an empty `p=` was revoked (RFC 6376, 3.6.1)."""
    tags = dict(tag.strip().split("=", 1) for tag in text.split(";") if "=" in tag)
    return bool(tags.get("p", "").strip())
