"""The score of a click: what every row of the table adds, and that a shopper's browser scores nothing."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartctl.domain import scanners
from cartctl.domain.scanners import LIKELY_HUMAN_BELOW, Follower, score

SHOPPER = Follower(
    user_agent="Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36",
    accept_language="de-DE,de;q=0.9",
    since_send=timedelta(minutes=20),
)


def test_a_shopper_scores_nothing() -> None:
    assert score(SHOPPER) == 0
    assert score(replace(SHOPPER, since_send=None)) == 0


@pytest.mark.parametrize(
    "user_agent",
    [
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0",
        "Mozilla/5.0 (Linux; Android 11; CUBOT NOTE 20) AppleWebKit/537.36 Chrome/120.0 Mobile Safari/537.36",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
    ],
)
def test_what_people_use_is_taken_for_people(user_agent: str) -> None:
    assert score(replace(SHOPPER, user_agent=user_agent)) == 0


@pytest.mark.parametrize(
    "user_agent",
    [
        "Mozilla/5.0 (compatible; Barracuda Sentinel)",
        "Mozilla/5.0 Proofpoint URL Defense",
        "Microsoft Office Existence Discovery",
        "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
        "curl/8.5.0",
        "python-requests/2.32",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/140.0 Safari/537.36",
        "WhatsApp/2.24",
    ],
)
def test_what_says_that_it_is_a_machine_is_one(user_agent: str) -> None:
    assert score(replace(SHOPPER, user_agent=user_agent)) == 100


@pytest.mark.parametrize(
    ("change", "points"),
    [
        ({"is_known_scanner": True}, 100),
        ({"purpose": "prefetch;prerender"}, 60),
        ({"purpose": "preview"}, 60),
        ({"user_agent": " "}, 60),
        ({"since_send": timedelta(seconds=10)}, 50),
        ({"since_send": timedelta(seconds=-3)}, 50),
        ({"since_send": timedelta(minutes=2)}, 25),
        ({"since_send": timedelta(minutes=2, seconds=1)}, 0),
        ({"accept_language": ""}, 30),
        ({"accept_language": "", "since_send": timedelta(minutes=1)}, 55),
        ({"accept_language": "", "user_agent": "", "since_send": timedelta(0)}, 100),
    ],
)
def test_every_row_of_the_table(change: dict[str, object], points: int) -> None:
    assert score(replace(SHOPPER, **change)) == points  # type: ignore[arg-type] # one field each


def test_one_weak_sign_does_not_make_a_machine_and_two_do() -> None:
    assert score(replace(SHOPPER, accept_language="")) < LIKELY_HUMAN_BELOW
    assert score(replace(SHOPPER, accept_language="", since_send=timedelta(seconds=90))) >= LIKELY_HUMAN_BELOW
    assert scanners.AT_ONCE_SCORE >= LIKELY_HUMAN_BELOW


@given(st.builds(Follower, user_agent=st.text(), accept_language=st.text(), purpose=st.text()))
def test_a_score_is_from_0_to_100(follower: Follower) -> None:
    assert 0 <= score(follower) <= 100
