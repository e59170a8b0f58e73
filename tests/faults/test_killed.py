"""A run that dies, at every point at which it can: nothing is sent twice, nothing is lost, nothing stays in hand."""

import json
import os
import signal

import pytest

from cartctl.domain.messages import MessageState
from tests.faults.rig import CONCURRENCY, Rig
from tests.shop import cart, iso

CARTS = 7
POINTS = {
    "after-claim:1": 0,
    "after-render:2": CONCURRENCY,
    "in-turn:3": CONCURRENCY,
    "after-gate:1": CONCURRENCY,
    "after-answer:2": CONCURRENCY,
    "before-settle:1": CONCURRENCY,
    "after-settle:1": CONCURRENCY,
}
"""Where it dies, and how many messages may then be in doubt: those between `sending` and their settlement."""


@pytest.mark.parametrize("failpoint", POINTS)
def test_killed_at(rig: Rig, failpoint: str) -> None:
    rig.fill(CARTS)
    rig.killed("30m", failpoint)
    assert rig.states[MessageState.SENDING] <= POINTS[failpoint]
    rig.drain()
    rig.assert_the_contract(unknown=POINTS[failpoint])
    rig.assert_nothing_was_lost()


def test_killed_while_the_provider_has_the_request(rig: Rig) -> None:
    """The mail is taken, and nobody is there any more to hear it."""
    rig.fill(CARTS)
    process = rig.start_as_cron_does("30m")

    def kill(count: int) -> None:
        if count == 3:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()

    rig.provider.before_answer = kill
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    rig.drain()
    assert rig.states[MessageState.UNKNOWN] >= 1
    rig.assert_the_contract(unknown=CONCURRENCY)
    rig.assert_nothing_was_lost()


def test_killed_again_and_again(rig: Rig) -> None:
    """Each run dies, and the next one takes over what the last one left."""
    points = ("after-gate:1", "after-answer:1", "after-settle:1")
    for number, failpoint in enumerate(points):
        rig.carts(*(cart(f"c-{number}-{n}", email=f"s{number}{n}@example.com") for n in range(CARTS)), when="5m")
        rig.killed(f"{30 + 6 * number}m", failpoint)
    rig.drain()
    rig.assert_the_contract(unknown=CONCURRENCY * len(points))
    rig.assert_nothing_was_lost()


def test_killed_while_it_takes_back_what_a_killed_run_left(rig: Rig) -> None:
    rig.fill(CARTS)
    rig.killed("30m", "after-answer:2")
    in_hand = rig.states[MessageState.SENDING]
    assert in_hand
    rig.killed("36m", "in-reap")
    assert rig.states[MessageState.SENDING] == in_hand, "all of it or nothing"
    rig.drain()
    rig.assert_the_contract(unknown=CONCURRENCY)
    rig.assert_nothing_was_lost()


def test_an_unknown_message_becomes_accepted_when_its_event_arrives(rig: Rig) -> None:
    rig.fill(CARTS)
    rig.killed("30m", "before-settle:1")
    rig.cli("run-due", "--at", iso("36m"), ok=False)
    assert rig.states[MessageState.UNKNOWN]
    taken = {id_ for id_, _, _ in rig.provider.taken}
    about = {"timestamp": 1772447500, "event": "delivered"}
    events = [{"email": to, "cc_message_id": str(id_)} | about for id_, to, _ in rig.provider.taken]
    path = rig.folder / "events.json"
    path.write_text(json.dumps(events), encoding="utf-8")
    rig.cli("import", "events", path, "--at", iso("40m"))
    assert taken <= rig.ids(MessageState.ACCEPTED)
    rig.drain()
    rig.assert_the_contract(unknown=CONCURRENCY)
    rig.assert_nothing_was_lost()
