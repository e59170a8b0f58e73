"""While somebody else holds the database: what is said, what is not waited for, and that nothing is lost in silence."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import pytest
from sqlalchemy import event

from cartctl import config, wiring
from cartctl.errors import DatabaseBusyError, DatabaseError
from cartctl.jobs import take_in
from cartctl.jobs.posted import SHOPIFY_ORDERS, Body
from cartctl.jobs.take_in import Taken
from cartctl.store.database import EngineDatabase, connect, open_database
from cartctl.web.keeping import Persistence
from tests.jobs.engine import RULES
from tests.shop import Shop, at
from tests.web.posting import an_order, raw
from tests.web.site import Site, mailed, open_site
from tests.web.test_unsubscribe import ONE_CLICK, suppressed

MANY = 40
"""More than there are threads for all requests together."""
PATIENCE = 30.0
"""Seconds after which an answer that does not come is a failure; it is there at once."""


@contextmanager
def held(shop: Shop) -> Iterator[None]:
    """Write as an import does, and take long over it."""
    url = config.load(file=None, environment={}, folder=shop.folder).database_url
    database = open_database(url)
    with database.write(carts="change"):
        yield
    database.close()


def persistence(site: Site) -> Persistence:
    found: Persistence = site.client.app.state.service.persistence  # type: ignore[attr-defined] # Starlette's type knows no state
    return found


def test_whoever_only_reads_does_not_wait(any_site: Site) -> None:
    """A dozen wait for their unsubscription; pages, links and the load balancer are answered meanwhile."""
    recovery, link = any_site.links()
    persistence(any_site).answer_seconds = 600.0
    with ThreadPoolExecutor(MANY + 1) as executor:
        with held(any_site.shop):
            posts = [executor.submit(any_site.client.post, link, data=ONE_CLICK) for _ in range(MANY)]
            for path, status in (("/readyz", 200), (link, 200), (recovery, 303)) * 2:
                assert executor.submit(any_site.client.get, path).result(PATIENCE).status_code == status
            assert not any(post.done() for post in posts)
            assert suppressed(any_site) == []
        assert {post.result().status_code for post in posts} == {200}
    assert suppressed(any_site) == [("all", "unsubscribe-link")]


def test_an_unsubscription_is_no_200_before_it_is_on_disk_and_is_never_lost(any_shop: Shop) -> None:
    mailed(any_shop)
    with open_site(any_shop) as site:
        persistence(site).answer_seconds = 0.1
        with held(any_shop):
            answer = site.client.post(site.links()[1], data=ONE_CLICK)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
            assert suppressed(site) == []
    assert suppressed(site) == [("all", "unsubscribe-link")]


def test_what_is_lost_at_the_end_is_said_by_its_ids(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    mailed(shop)
    with held(shop), open_site(shop) as site:
        persistence(site).stop_seconds, persistence(site).answer_seconds = 0.0, 0.1
        recovery, link = site.links()
        for _ in range(2):
            assert site.client.get(recovery).status_code == 303
            assert site.client.post(link, data=ONE_CLICK).status_code == 503
    lost = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert lost == [
        "2 clicks lost: the database was held or away; messages: 1",
        "2 unsubscriptions lost: the database was held or away; messages: 1",
    ]


def test_a_database_that_is_away_is_asked_until_it_is_back() -> None:
    faults: list[Exception] = [DatabaseError("away"), DatabaseBusyError("held")]

    def work() -> str:
        if faults:
            raise faults.pop()
        return "done"

    assert Persistence().insist(work, "clicks") == "done"


def test_the_rest_of_a_batch_is_given_up_with_the_first(shop: Shop) -> None:
    """Each would wait for its own try, and those behind it with it."""
    mailed(shop)
    engine = connect(f"sqlite:///{shop.folder / 'cartctl.db'}", busy_seconds=0.05)
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *arguments: asked.append(arguments[2]))
    contexts = partial(wiring.endpoint_context, config.load(file=None, environment={}, folder=shop.folder).settings)
    bodies = [Body(id=0, feed=SHOPIFY_ORDERS, store="main", raw=raw(an_order(id=n))) for n in range(5)]
    with held(shop):
        found = take_in.run(EngineDatabase(engine), bodies, contexts=contexts, rules=RULES, now=at("1h"))
    engine.dispose()
    assert found == [Taken("away")] * 5
    assert asked == ["BEGIN IMMEDIATE"]
