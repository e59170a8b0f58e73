"""A shop whose shopper has a mail, and its endpoint."""

from collections.abc import Iterator

import pytest

from tests.shop import Shop
from tests.web.site import Site, mailed, open_site


@pytest.fixture
def site(shop: Shop) -> Iterator[Site]:
    """Anna has her first mail; it is the next day."""
    mailed(shop)
    with open_site(shop) as opened:
        yield opened


@pytest.fixture
def any_site(any_shop: Shop) -> Iterator[Site]:
    """The same on SQLite and on PostgreSQL."""
    mailed(any_shop)
    with open_site(any_shop) as opened:
        yield opened
