"""Signatures: what TikTok signed is told from what it did not."""

from hypothesis import given
from hypothesis import strategies as st

from cartctl.importers.tiktok_signature import App, cart_signature, fault, webhook_signature

# The example of TikTok's own documentation of webhooks: key, secret, body and the signature that comes of them.
DOCUMENTED = App("abcdef", "123")
BODY = (
    b'{"type":1,"tts_notification_id":"7380066284010030890","shop_id":"7495540735365777507","timestamp":1718305585,'
    b'"data":{"is_on_hold_order":true,"order_id":"576653688135258178","order_status":"UNPAID","update_time":1718305585}}'
)
SIGNATURE = "5dec0f11ec2f6783b8deee53c9ffbf8d024302f7c7e7fa55a35d17629031ac05"


def test_the_documented_example() -> None:
    assert webhook_signature(DOCUMENTED, BODY) == SIGNATURE
    assert fault(DOCUMENTED, {"authorization": SIGNATURE}, BODY) is None


def test_a_signature_in_capitals_is_the_same() -> None:
    assert fault(DOCUMENTED, {"authorization": f" {SIGNATURE.upper()}\n"}, BODY) is None


@given(place=st.integers(0, len(BODY) - 1), byte=st.integers(0, 255))
def test_one_changed_byte_of_the_body_breaks_it(place: int, byte: int) -> None:
    changed = BODY[:place] + bytes([byte]) + BODY[place + 1 :]
    assert (fault(DOCUMENTED, {"authorization": SIGNATURE}, changed) is None) == (changed == BODY)


@given(key=st.text(max_size=8), secret=st.text(max_size=8))
def test_another_app_signs_otherwise(key: str, secret: str) -> None:
    other = App(key, secret)
    # The key stands before the body, so both together say what was signed.
    same = secret == DOCUMENTED.secret and key == DOCUMENTED.key
    assert (fault(other, {"authorization": SIGNATURE}, BODY) is None) == same


@given(st.text())
def test_any_header_is_compared_without_a_traceback(header: str) -> None:
    assert fault(DOCUMENTED, {"authorization": header}, BODY) is not None


def test_a_middleware_signs_the_body_alone() -> None:
    signature = cart_signature(DOCUMENTED, BODY)
    assert signature != SIGNATURE
    assert fault(DOCUMENTED, {"x-tiktok-signature": signature}, BODY) is None
    assert fault(DOCUMENTED, {"x-tiktok-signature": SIGNATURE}, BODY) is not None


def test_a_wrong_signature_is_not_outweighed_by_a_right_one() -> None:
    headers = {"authorization": "0" * 64, "x-tiktok-signature": cart_signature(DOCUMENTED, BODY)}
    assert fault(DOCUMENTED, headers, BODY) is not None


def test_the_secret_is_not_shown() -> None:
    assert "123" not in repr(DOCUMENTED)
