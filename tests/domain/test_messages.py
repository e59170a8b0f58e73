"""The message's life: only these ways, and waits that grow."""

from datetime import timedelta

from cartctl.domain.messages import OPEN, REACHED, TRANSITIONS, MessageState, backoff


def test_accepted_failed_and_skipped_are_final() -> None:
    final = {state for state, ways in TRANSITIONS.items() if not ways}
    assert final == {MessageState.ACCEPTED, MessageState.FAILED, MessageState.SKIPPED}


def test_nothing_is_accepted_that_was_not_being_sent() -> None:
    assert {state for state, ways in TRANSITIONS.items() if MessageState.ACCEPTED in ways} == {
        MessageState.SENDING,
        MessageState.UNKNOWN,
    }


def test_what_is_being_sent_is_open_and_counts_as_reached() -> None:
    assert {MessageState.SENDING} == OPEN & REACHED


def test_backoff_grows_fourfold_from_a_minute() -> None:
    assert [backoff(n) / timedelta(minutes=1) for n in (1, 2, 3, 4)] == [1, 4, 16, 64]
