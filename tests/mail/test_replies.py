"""What mail servers reply, as they do reply it, and what each reply means. Addresses and hosts are invented."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartctl.mail.replies import Refusal, Reply

BAD_ADDRESS, NEVER, NO_RELAY, NOT_FROM_US = Refusal.BAD_ADDRESS, Refusal.NEVER, Refusal.NO_RELAY, Refusal.NOT_FROM_US
LATER, BUSY = Refusal.LATER, Refusal.BUSY
BLAMING = ("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1")

POSTFIX = [
    ("550 5.1.1 <anna@example.com>: Recipient address rejected: User unknown in virtual mailbox table", BAD_ADDRESS),
    ("550 5.1.2 <anna@example.con>: Recipient address rejected: Domain not found", BAD_ADDRESS),
    ("556 5.1.10 <anna@example.com>: Recipient address rejected: Domain example.com does not accept mail", BAD_ADDRESS),
    ("550 5.1.1 <anna@example.com>: undeliverable address: mx.example.net said: 550 sender blocked by us", NEVER),
    ("550 5.1.1 <anna@privaterelay.example.com>: Recipient address rejected: User unknown", BAD_ADDRESS),
    ("550 5.7.1 <abc@privaterelay.example.com>: Recipient address rejected: this mailbox is closed", NEVER),
    ("550 5.7.1 mail for abc@privaterelay.example.com is refused by relay7.example.net", NEVER),
    ("554 5.7.1 <anna@example.com>: Recipient address rejected: Access denied", NOT_FROM_US),
    ("554 5.7.1 <shop.example.com[192.0.2.7]>: Client host rejected: Access denied", NOT_FROM_US),
    ("450 4.7.1 Client host rejected: cannot find your reverse hostname, [192.0.2.7]", NOT_FROM_US),
    ("554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using list.example.org", NOT_FROM_US),
    ("553 5.7.1 <hello@shop.example.com>: Sender address rejected: not owned by user shop", NOT_FROM_US),
    ("550 5.1.0 <hello@shop.example.com>: Sender address rejected: User unknown", NOT_FROM_US),
    ("550 5.1.8 <hello@shop.example.com>: Sender address rejected: Domain not found", NOT_FROM_US),
    ("450 4.1.8 <hello@shop.example.com>: Sender address rejected: Domain not found", NOT_FROM_US),
    ("550 5.7.27 <hello@shop.example.com>: the domain does not accept mail (nullMX)", NOT_FROM_US),
    ("504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname", NOT_FROM_US),
    ("554 5.7.1 <anna@example.com>: Relay access denied", NO_RELAY),
    ("454 4.7.1 <anna@example.com>: Relay access denied", NO_RELAY),
    ("530 5.7.0 Must issue a STARTTLS command first", NO_RELAY),
    ("450 4.2.0 <anna@example.com>: Recipient address rejected: Greylisted", LATER),
    ("450 4.1.2 <anna@example.com>: Recipient address rejected: Domain not found", LATER),
    ("450 4.1.1 <anna@example.com>: unverified address: mx.example.net said: 450 relay later", LATER),
    ("451 4.3.0 <anna@example.com>: Temporary lookup failure", LATER),
    ("421 4.7.0 shop.example.com Error: too many connections from 192.0.2.7", BUSY),
]
EXIM_AND_OTHERS = [
    ("550 Sender verify failed", NOT_FROM_US),
    ("550 Access denied - Invalid HELO name (See RFC2821 4.1.1.1)", NOT_FROM_US),
    ("550 Please turn on SMTP Authentication in your mail client", NOT_FROM_US),
    ("550 JunkMail rejected - shop.example.com [192.0.2.7] is in an RBL", NEVER),
    ("550 No such user here", NEVER),
    ("550 Unrouteable address", NEVER),
    ("551 user not local", NEVER),
    ("553 mailbox name not allowed", NEVER),
    ("550 5.1.0 Address rejected", NEVER),
    ("554 5.7.1 Spam message rejected", NEVER),
    ("550 relay not permitted", NO_RELAY),
    ("550 5.7.1 <anna@example.com>... Relaying denied. IP name lookup failed [192.0.2.7]", NO_RELAY),
    ("553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", NO_RELAY),
    ("556 Domain does not accept mail", BAD_ADDRESS),
]
EXCHANGE = [
    ("550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", BAD_ADDRESS),
    ("550 5.4.1 Recipient address rejected: Access denied. AS(201806281) [mx1.example.net]", NEVER),
    ("550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain", NO_RELAY),
    ("550 5.7.1 Unable to relay for anna@example.com", NO_RELAY),
    ("550 5.7.57 SMTP; Client was not authenticated to send anonymous mail", NOT_FROM_US),
    ("550 5.7.60 SMTP; Client does not have permissions to send as this sender", NOT_FROM_US),
    ("550 5.7.705 Access denied, tenant has exceeded threshold", NOT_FROM_US),
    ("550 5.1.8 Access denied, bad outbound sender", NOT_FROM_US),
]
GMAIL = [
    ("550 5.1.1 The email account that you tried to reach does not exist. https://relay.example.com/help", BAD_ADDRESS),
    ("550 5.2.1 The email account that you tried to reach is disabled", BAD_ADDRESS),
    ("550 5.2.1 The user you are trying to contact is receiving mail at a rate that\n5.2.1 prevents more", NEVER),
    ("552 5.2.2 The email account that you tried to reach is over quota", NEVER),
    ("550 5.7.1 This message violates example.com email policy", NEVER),
    ("550 5.4.5 Daily SMTP relay limit exceeded for customer", NOT_FROM_US),
    ("450 4.2.1 Peak SMTP relay limit exceeded for customer", LATER),
    ("421 4.7.0 Try again later, closing connection: the SMTP relay is busy", BUSY),
]
AMAZON_SES = [
    ("554 Message rejected: Email address is not verified. The following identities failed", NOT_FROM_US),
    ("554 Access denied: User `arn:aws:iam::1:user/shop' is not authorized", NOT_FROM_US),
    ("530 Authentication required", NO_RELAY),
    ("454 Throttling failure: Maximum sending rate exceeded", BUSY),
    ("451 Temporary service failure", LATER),
]


@pytest.mark.parametrize(("text", "meaning"), POSTFIX + EXIM_AND_OTHERS + EXCHANGE + GMAIL + AMAZON_SES)
def test_what_a_reply_means(text: str, meaning: Refusal) -> None:
    assert Reply.of(int(text[:3]), text[4:].encode()).refusal is meaning


@pytest.mark.parametrize("word", ["sender", "client", "HELO"])
@pytest.mark.parametrize("code", BLAMING)
def test_no_address_is_blamed_by_a_reply_that_speaks_of_us(code: str, word: str) -> None:
    assert Reply.of(550, f"{code} no such mailbox").refusal is BAD_ADDRESS
    assert Reply.of(550, f"{code} {word} refused").refusal is NEVER


@pytest.mark.parametrize("code", ["", "5.0.0", "5.1.0", "5.1.4", "5.1.7", "5.1.8", "5.2.0", "5.2.2", "5.7.1", "4.1.1"])
def test_no_other_code_blames_the_address(code: str) -> None:
    assert Reply.of(550, f"{code} no such user".strip()).refusal is not BAD_ADDRESS


def test_nothing_of_the_words_is_kept() -> None:
    reply = Reply.of(550, b"5.1.1 <anna@example.com> unknown")
    assert str(reply) == "550 5.1.1"
    assert "anna" not in repr(reply)


CODES = st.sampled_from([250, 354, 421, 450, 454, 550, 553, 554, 556])
ENHANCED = st.sampled_from(["", "4.1.1", "5.0.0", "5.1.0", "5.1.4", "5.1.8", "5.2.2", "5.7.1", *BLAMING])
WORDS = st.sampled_from(["5.1.1", "relay", "access denied", "sender", "<", ">", "a@b.example", "\n"]) | st.text(
    max_size=5
)


@settings(max_examples=100)
@given(code=CODES, enhanced=ENHANCED, words=st.lists(WORDS, max_size=5))
def test_whatever_a_server_says_only_a_code_for_the_address_blames_it(
    code: int, enhanced: str, words: list[str]
) -> None:
    reply = Reply.of(code, " ".join([enhanced, *words]).encode())
    if reply.refusal is BAD_ADDRESS:
        assert not 400 <= code < 500
        assert enhanced in BLAMING or (code == 556 and not reply.enhanced)


@pytest.mark.parametrize("piece", [b"<", b"a", b"<a ", b"."])
def test_a_reply_without_end_is_read_in_no_time(piece: bytes) -> None:
    assert Reply.of(550, piece * 300_000).refusal is NEVER
