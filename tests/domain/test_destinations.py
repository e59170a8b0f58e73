"""Where a recovery link may lead: whatever stands in a cart's address, to the shop's own hosts or nowhere."""

import ipaddress
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cartctl.domain.destinations import Host, destination, with_parameters

SHOP = [Host.parse("shop.example.com"), Host.parse("shop.example.org:8443"), Host.parse("xn--mller-kva.example")]


@pytest.mark.parametrize(
    ("url", "leads_to"),
    [
        ("https://shop.example.com/cart?id=1&x=%20#top", "https://shop.example.com/cart?id=1&x=%20#top"),
        ("https://shop.example.com", "https://shop.example.com/"),
        ("HTTPS://SHOP.Example.COM:443/Cart", "https://shop.example.com/Cart"),
        ("https://shop.example.com./cart", "https://shop.example.com/cart"),
        ("https://shop.example.org:8443/", "https://shop.example.org:8443/"),
        ("https://shop.example.com/Käse?q=ö", "https://shop.example.com/K%C3%A4se?q=%C3%B6"),
        ("https://müller.example/", "https://xn--mller-kva.example/"),
        ("https://MÜLLER.example/", "https://xn--mller-kva.example/"),
        ("https://xn--mller-kva.example/", "https://xn--mller-kva.example/"),
        ("https://shop。example。com/", "https://shop.example.com/"),  # browsers read these full stops alike
    ],
)
def test_an_address_of_the_shop_is_followed(url: str, leads_to: str) -> None:
    assert destination(url, SHOP) == leads_to


NOT_THE_SHOPS = [
    "",
    "/cart",
    "//evil.example/",
    "//shop.example.com/",
    "https:shop.example.com",
    "https:///shop.example.com",
    "https:/shop.example.com/",
    "\\\\shop.example.com",
    "https:\\\\shop.example.com\\",
    "https://evil.example\\@shop.example.com/",
    "https://shop.example.com\\.evil.example/",
    "https://evil.example/",
    "https://evil.example/https://shop.example.com/",
    "https://evil.example?shop.example.com",
    "https://evil.example#shop.example.com",
    "https://shop.example.com@evil.example/",
    "https://shop.example.com:x@evil.example/",
    "https://anna@shop.example.com/",
    "https://@shop.example.com/",
    "https://shop.example.com.evil.example/",
    "https://evilshop.example.com/",
    "https://sub.shop.example.com/",
    "https://shop.example.com:8443/",
    "https://shop.example.com:99999/",
    "https://shop.example.com:port/",
    "https://shop.example.org/",
    "http://shop.example.com/",
    "javascript:alert(1)",
    "javascript://shop.example.com/%0aalert(1)",
    "data:text/html,x",
    "ftp://shop.example.com/",
    " https://shop.example.com/",
    "https://shop.example.com/ x",
    "https://shop.example.com/\r\nSet-Cookie: a=b",
    "https://shop.example.com/\tx",
    "https://shop.example.com\x00.evil.example/",
    "https://shop%2eexample%2ecom/",
    "https://shop.еxample.com/",  # a Cyrillic е
    "https://shop.example.com\N{FULLWIDTH SOLIDUS}evil.example/",
    "https://shop.example.com\N{FULLWIDTH NUMBER SIGN}@evil.example/",
    "https://shop.example.com\N{ZERO WIDTH JOINER}/",
    "https://[::1]/",
    "https://[shop.example.com]/",
    "https://[::1/",
    "https://2130706433/",
]


@pytest.mark.parametrize("url", NOT_THE_SHOPS)
def test_any_other_address_is_not_followed(url: str) -> None:
    assert destination(url, SHOP) is None


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("http://shop.example.com", "http://shop.example.com/"),
        ("http://shop.example.com:8080", "http://shop.example.com:8080/"),
        ("localhost:8001", "http://localhost:8001/"),
        ("127.0.0.1:8001", "http://127.0.0.1:8001/"),
        ("[::1]:8001", "http://[::1]:8001/"),
    ],
)
def test_plain_http_needs_to_be_asked_for_or_this_machine(host: str, url: str) -> None:
    assert destination(url, [Host.parse(host)]) == url
    assert destination(url.replace("http:", "https:"), [Host.parse(host)]) is not None


@given(st.text() | st.from_regex(r"https?:[/\\@a-z.:#?%\x00-\x20]{0,20}(shop\.example\.com|evil\.example)[ -~]{0,20}"))
@example("https://shop.example.com/\u2028")
@example("https://ẞ.example/")
def test_whatever_it_is_it_leads_to_the_shop_or_nowhere(url: str) -> None:
    found = destination(url, SHOP)
    if found is None:
        return
    assert found.isascii()
    assert found.isprintable()
    assert not set(found) & set(' \\"<>^`{|}')
    assert found.startswith(
        ("https://shop.example.com/", "https://shop.example.org:8443/", "https://xn--mller-kva.example/")
    )
    assert destination(found, SHOP) == found, "what was put together is read the same way again"


@pytest.mark.parametrize(
    "text",
    [
        *("", "shop.example.com/", "https://shop.example.com/cart", "anna@shop.example.com", "ftp://shop.example.com"),
        *("shop example.com", "shop.example.com:99999", "straße.example", "-shop.example.com", "*.example.com", "a..b"),
    ],
)
def test_a_host_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Host.parse(text)


@pytest.mark.parametrize(
    ("url", "added", "replaced", "result"),
    [
        ("https://x.example/", {}, {}, "https://x.example/"),
        ("https://x.example/", {"a": "1 2"}, {"c": "X&Y"}, "https://x.example/?a=1+2&c=X%26Y"),
        ("https://x.example/?key=%2b+z&flag", {"a": "1"}, {}, "https://x.example/?key=%2b+z&flag&a=1"),
        ("https://x.example/?a=theirs#end", {"a": "1", "b": "2"}, {}, "https://x.example/?a=theirs&b=2#end"),
        ("https://x.example/?c=old&d=1&%63=old", {}, {"c": "NEW"}, "https://x.example/?d=1&c=NEW"),
    ],
)
def test_what_the_shop_wrote_stays_as_it_is(
    url: str, added: dict[str, str], replaced: dict[str, str], result: str
) -> None:
    assert with_parameters(url, added, replaced) == result


_NAMES = st.text("abcdefg_", min_size=1, max_size=5)


@given(st.dictionaries(_NAMES, st.text(max_size=8)), st.dictionaries(_NAMES, st.text(max_size=8)))
def test_every_parameter_can_be_read_back(added: dict[str, str], replaced: dict[str, str]) -> None:
    url = with_parameters("https://shop.example.com/?id=1", added, replaced)
    found = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
    assert found == {"id": "1"} | added | replaced


@given(st.ip_addresses())
def test_an_address_in_numbers_is_the_same_however_it_is_written(address: ipaddress._BaseAddress) -> None:
    short = f"[{address.compressed}]" if address.version == 6 else str(address)
    long = f"[{address.exploded}]" if address.version == 6 else str(address)
    assert destination(f"https://{long}/", [Host.parse(short)]) == f"https://{short}/"
