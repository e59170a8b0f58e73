"""Some shops make a cart's id of the shopper's address: it is shown no more than the address itself."""

import pytest

from tests.shop import Shop, cart, iso

ID = "77-anna@example.com"


@pytest.mark.parametrize(
    "command",
    [
        ["plan", "--at", iso("1h")],
        ["simulate", "--from", iso("0m"), "--to", iso("2d")],
        ["explain", "anna@example.com", "--at", iso("1h")],
        ["messages", "list"],
        ["run-due", "--dry-run", "--at", iso("25h")],
    ],
    ids=lambda command: command[0],
)
def test_a_carts_id_shows_no_address(shop: Shop, command: list[str]) -> None:
    shop.carts(cart(ID), when="5m")
    shop.run("30m")
    for more in ([], ["--json"]):
        told = shop.cli(*command, *more, ok=False)
        assert "…@…" in told.out
        assert "anna@example.com" not in told.out + told.err
    if command[0] not in ("messages", "run-due"):
        assert ID in shop.cli(*command, "--show-addresses").out
