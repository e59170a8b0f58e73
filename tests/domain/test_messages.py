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


def test_backoff_grows_fourfold_from_a_minute_and_never_by_more_than_half_as_much_again() -> None:
    for message_id in range(1, 200):
        for attempts, minutes in ((1, 1), (2, 4), (3, 16), (4, 64)):
            assert 1 <= backoff(attempts, message_id=message_id) / timedelta(minutes=minutes) <= 1.5


def test_what_failed_together_is_not_tried_again_together() -> None:
    waits = {backoff(1, message_id=message_id) for message_id in range(100)}
    assert len(waits) == 100
    assert max(waits) - min(waits) > timedelta(seconds=25)
    assert backoff(2, message_id=7) == backoff(2, message_id=7)
