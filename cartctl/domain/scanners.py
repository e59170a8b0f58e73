"""How likely a machine followed a link, not the shopper: from 0 (nothing speaks for a machine) to 100.

Mail gateways and browsers follow links on their own, most of them within seconds of the delivery, and all links of a
mail at once. Their addresses are no guide, and a maker says so itself (they come out of the large clouds:
https://campus.barracuda.com/product/sentinel/doc/498468311/unwanted-link-clicks); a shop that knows some names them.

    HEAD instead of GET                                   100     (never a click)
    an address that the configuration names               100
    a user agent that names a scanner, robot or tool      100
    a browser that fetches ahead (prefetch, preview)       60
    no user agent                                          60
    within 10 seconds of the send                          50
    within 2 minutes of the send                           25
    no Accept-Language, which every browser sends          30
    another link of the same mail within 2 seconds         at least 80, for both
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

LIKELY_HUMAN_BELOW = 50
"""A click below this score counts as the shopper's."""
AT_ONCE = timedelta(seconds=2)
AT_ONCE_SCORE = 80
_AHEAD = re.compile("prefetch|preview|prerender")
_MACHINES = re.compile(
    r"barracuda|proofpoint|mimecast|ms-?office|microsoft office|safelinks|ciscosecure|ironport|trend ?micro|tmes\b"
    r"|fortimail|sophos|f-secure|symantec|messagelabs|bitdefender|cloudmark|fireeye|trellix|zscaler|checkpoint|kaspersky|avanan"
    r"|urlscan|virustotal|googleimageproxy|feedfetcher|yahoomailproxy|google-safety|google-read-aloud"
    r"|facebookexternalhit|whatsapp|slack-imgproxy|skypeuripreview|embedly|linkpreview"
    r"|(?<!cu)bot\b|crawl|spider|scanner"  # Cubot makes telephones
    r"|curl/|wget|python|aiohttp|httpx|go-http-client|java/|okhttp|apache-httpclient|libwww|perl/|ruby|node-|axios|guzzle"
    r"|phantomjs|headless",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Follower:
    """What is known of whoever followed a link."""

    user_agent: str
    accept_language: str
    purpose: str = ""
    """What Sec-Purpose, Purpose and X-Moz say."""
    since_send: timedelta | None = None
    """None: the mail is not known to have left."""
    is_known_scanner: bool = False
    """Whether the configuration names its address."""


def score(follower: Follower) -> int:
    """Add up what speaks for a machine; see the module's table."""
    if follower.is_known_scanner or _is_machine(follower.user_agent):
        return 100
    points = 0
    if follower.purpose and _AHEAD.search(follower.purpose.lower()):
        points += 60
    if not follower.user_agent.strip():
        points += 60
    if follower.since_send is not None:
        points += _haste(follower.since_send)
    if not follower.accept_language.strip():
        points += 30
    return min(points, 100)


@lru_cache(maxsize=1024)
def _is_machine(user_agent: str) -> bool:
    """The few browsers that there are come again and again."""
    return _MACHINES.search(user_agent) is not None


def _haste(since_send: timedelta) -> int:
    if since_send <= timedelta(seconds=10):
        return 50
    return 25 if since_send <= timedelta(minutes=2) else 0
