"""Addresses: folded, masked, and the ones nobody may write to."""

import pytest

from cartctl.domain.identity import is_relay, mask_email, normalise_email


@pytest.mark.parametrize("text", ["Anna@Example.com", " anna@example.com ", "ANNA@EXAMPLE.COM"])
def test_spellings_of_one_mailbox_are_equal(text: str) -> None:
    assert normalise_email(text) == "anna@example.com"


def test_dots_and_tags_are_other_mailboxes() -> None:
    assert normalise_email("an.na+shop@example.com") == "an.na+shop@example.com"


@pytest.mark.parametrize(
    ("email", "relay"),
    [("x@scs2.tiktok.com", True), ("x@scs.tiktok.com", True), ("x@tiktok.com", False), ("scs@example.com", False)],
)
def test_relay_addresses_are_known(email: str, *, relay: bool) -> None:
    assert is_relay(email) is relay


def test_a_masked_address_keeps_one_letter_and_the_host() -> None:
    assert mask_email("anna@example.com") == "a…@example.com"
