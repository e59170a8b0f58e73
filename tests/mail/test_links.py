"""Links: each for one purpose and one message, signed, and good for thirty days."""

import base64
from datetime import timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cartctl.mail.links import VALID_FOR, BadTokenError, ExpiredTokenError, Links, Purpose
from tests.mail.builders import NOW

OLD, NEW = "the-old-key", "the-new-key"
LINKS = Links("https://mail.example.com", [NEW])
PURPOSES: tuple[Purpose, ...] = ("recover", "unsubscribe")


@given(
    purpose=st.sampled_from(PURPOSES),
    message_id=st.integers(1, 2**63 - 1),
    later=st.timedeltas(timedelta(0), VALID_FOR),
)
def test_a_token_names_its_message_for_thirty_days(purpose: Purpose, message_id: int, later: timedelta) -> None:
    token = LINKS.token(purpose, message_id, now=NOW)
    assert LINKS.read(purpose, token, now=NOW + later) == message_id


@pytest.mark.parametrize(("purpose", "path"), [("recover", "r"), ("unsubscribe", "u")])
@pytest.mark.parametrize("base_url", ["https://mail.example.com", "https://mail.example.com/"])
def test_a_link_is_the_address_the_purpose_and_the_token(base_url: str, purpose: Purpose, path: str) -> None:
    token = LINKS.token(purpose, 7, now=NOW)
    assert Links(base_url, [NEW]).link(purpose, 7, now=NOW) == f"https://mail.example.com/{path}/{token}"


def test_a_token_is_valid_on_its_thirtieth_day_and_expired_on_the_next() -> None:
    token = LINKS.token("recover", 7, now=NOW)
    assert LINKS.read("recover", token, now=NOW + timedelta(days=30)) == 7
    for days in (timedelta(days=30, seconds=1), timedelta(days=31), timedelta(days=3650)):
        with pytest.raises(ExpiredTokenError):
            LINKS.read("recover", token, now=NOW + days)


def test_a_token_serves_one_purpose() -> None:
    with pytest.raises(BadTokenError):
        LINKS.read("unsubscribe", LINKS.token("recover", 7, now=NOW), now=NOW)


def test_a_token_of_another_key_is_none_of_ours() -> None:
    with pytest.raises(BadTokenError):
        LINKS.read("recover", Links("https://mail.example.com", [OLD]).token("recover", 7, now=NOW), now=NOW)


@given(place=st.integers(0, len(LINKS.token("recover", 7, now=NOW)) - 1), character=st.sampled_from("abcXYZ019-_."))
def test_an_altered_token_is_none_of_ours(place: int, character: str) -> None:
    token = LINKS.token("recover", 7, now=NOW)
    altered = token[:place] + character + token[place + 1 :]
    assume(altered != token)
    with pytest.raises(BadTokenError):
        LINKS.read("recover", altered, now=NOW)


@pytest.mark.parametrize("appended", ["=", "!!!!", " ", "\n", ".", "/"])
def test_a_token_has_one_spelling(appended: str) -> None:
    """Base64 is read leniently; a link with something behind it is still no link of ours."""
    with pytest.raises(BadTokenError):
        LINKS.read("recover", LINKS.token("recover", 7, now=NOW) + appended, now=NOW)


def test_no_message_has_such_a_number() -> None:
    with pytest.raises(BadTokenError):
        LINKS.read("recover", LINKS.token("recover", 2**63, now=NOW), now=NOW)


@given(st.text() | st.from_regex(r"[0-9]{1,6}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{43}", fullmatch=True))
def test_an_invented_token_is_none_of_ours(token: str) -> None:
    for purpose in PURPOSES:
        with pytest.raises(BadTokenError):
            LINKS.read(purpose, token, now=NOW)


def test_the_first_key_signs_and_all_verify() -> None:
    rotated = Links("https://mail.example.com", [NEW, OLD])
    assert rotated.token("recover", 7, now=NOW) == LINKS.token("recover", 7, now=NOW)
    before = Links("https://mail.example.com", [OLD]).token("recover", 7, now=NOW)
    assert rotated.read("recover", before, now=NOW) == 7


def test_a_token_depends_on_its_time_and_nothing_else() -> None:
    assert LINKS.token("recover", 7, now=NOW) == LINKS.token("recover", 7, now=NOW)
    assert LINKS.token("recover", 7, now=NOW) != LINKS.token("recover", 7, now=NOW + timedelta(seconds=1))


def test_nothing_but_the_messages_id_and_the_time_can_be_read_in_a_token() -> None:
    message_id, signed_at, signature = LINKS.token("recover", 7, now=NOW).split(".")
    assert message_id == "7"
    assert int.from_bytes(base64.urlsafe_b64decode(signed_at + "=="), "big") == int(NOW.timestamp())
    assert len(base64.urlsafe_b64decode(signature + "=")) == 32, "HMAC-SHA256"
