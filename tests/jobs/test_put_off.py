"""What an outage puts off goes on whole days later, so that brakes see it first; tests within a minute.

That the distances stay as they were is told in `test_story_christmas`.
"""

from pathlib import Path

from cartctl.domain.brakes import Kind
from cartctl.store.database import open_database
from tests.nurture import HEAD, STEPS, engine_of, people, person, set_up, sign_up
from tests.shop import Shop, iso


def test_a_burst_of_letters_that_were_put_off_is_held(sqlite_url: str, tmp_path: Path) -> None:
    """Nothing ran for nine days. The run that finds the first letters past their grace sends none of the next."""
    database = open_database(sqlite_url)
    engine = engine_of(database, tmp_path, HEAD + STEPS.replace("{{ score }} of 100", "your result"))
    sign_up(engine, *(f"shopper{number}@example.com" for number in range(201)), when="30m")
    late = engine.run("240h", concurrency=64)
    assert late.sent.skipped == {"past-grace": 201}
    held = engine.run("240h30m", concurrency=64)
    assert [(brake.kind, brake.subject) for brake in held.braking.holding] == [(Kind.BURST, "check-up")]
    assert engine.provider.given == []
    assert {(step, state) for step, state, _ in engine.states} == {("result", "skipped"), ("focus", "scheduled")}
    database.close()


def test_a_test_goes_on_within_a_minute(any_shop: Shop) -> None:
    set_up(any_shop, settings='test_recipients = ["anna@example.com"]\ntime_scale = 60\n')
    any_shop.cli("enroll", "check-up", people(any_shop, person()), "--test", "--at", iso("0m"))
    any_shop.run("0m")
    late = any_shop.run("1h", ok=False)  # "focus" was due at 2 minutes, "closing" at 5; their grace is 24
    assert (late["skipped"], late["sent"]) == ({"past-grace": 1}, 0)
    any_shop.run("61m")
    assert [(step, when) for _, step, when in any_shop.sent] == [("result", "0:00"), ("closing", "1:01")]
