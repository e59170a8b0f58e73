"""Addresses: folded, masked, and the ones nobody may write to."""

import pytest

from cartctl.domain.identity import is_relay, mask_email, normalise_email, without_addresses


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
    assert mask_email("12@erased.invalid") == "(erased)"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("row 2 has 3 cells, the header 2", "row 2 has 3 cells, the header 2"),
        ('row 2, total: "anna@example.com" is no number (1234.50 is)', "row 2, total: …@… is no number (1234.50 is)"),
        ('row 2, total: ""anna smith"@example.com" is no number', "row 2, total: …@… is no number"),
        ('"anna@example.com" is no number', "…@… is no number"),
        ('"anna\N{FULLWIDTH COMMERCIAL AT}example.com" is no number', "…@… is no number"),
        ("columns not used: anna@example.com, notes", "columns not used: …@…, notes"),
        ("columns not used: anna @ example.com, notes", "columns not used: …@…, notes"),
        ('columns not used: "anna smith"@example.com, notes', "columns not used: …@…, notes"),
        ("columns not used: a@example.com, notes, b@example.com", "columns not used: …@…"),
        ('column "anna@example.com" stands there more than once', "column …@… stands there more than once"),
        ("is no e-mail address: it must have an @-sign.", "is no e-mail address: it must have an @-sign."),
        ("@", "…@…"),
    ],
)
def test_addresses_are_blotted_out_of_what_is_printed(text: str, shown: str) -> None:
    assert without_addresses(text) == shown
