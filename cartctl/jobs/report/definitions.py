"""What each number of the reports means: said once, printed wherever the numbers are."""

from collections.abc import Iterable, Mapping

from cartctl.domain.times import format_duration
from cartctl.jobs.report.asking import Asked

DEFINITIONS: Mapping[str, str] = {
    "carts": "carts with something in them, by their first activity in the period",
    "abandoned": "carts left alone past the limit and not bought before that, by when they were first abandoned; all "
    "numbers that follow are of these very carts",
    "written to": "abandoned carts of which at least one message was accepted by the transport",
    "clicked carts": "of these, carts a link of which was followed by a likely human",
    "recovered": "abandoned carts that were bought within {recovery_window} of their abandonment",
    "recovery rate": "recovered ÷ abandoned: the same carts above and below the line",
    "immature": "carts (or messages) so young that the time for an order is not over: their rates may still rise",
    "left in carts": "what the abandoned carts were worth, in the carts' own currency",
    "revenue": "what the orders that closed recovered carts came to, each order once; gross as ordered, net after "
    "refunds and cancellations; currencies are never added up",
    "clicked": "orders within {attribution_window} of a likely human click on our link; an order belongs to one cart, "
    "only clicks on mails about that cart count, and it belongs to the message whose link was followed last",
    "sent, then bought": "orders within {attribution_window} after an accepted message; an order belongs to one cart, "
    "and to the last message about that cart before it",
    "because of the mails": "what came back beyond the holdout, who are drawn by lot and never written to: the "
    "difference of the two rates, of 100 carts, with its 95 % interval (Newcombe); each contact counts once, by the "
    "first eligible cart, and none by carts from before the one whose mail was the first that was delivered at all",
    "sent": "messages that the transport accepted for these carts; those to contacts without a cart stand in the "
    "report of deliverability alone, by the time of sending",
    "late orders": "messages to shoppers who had by then bought, because the order was imported later",
    "delivered": "messages of which the provider said so, and not that they bounced; whatever was opened, clicked, "
    "called spam or answered by an unsubscription was delivered too",
    "rates": "÷ delivered, bounces ÷ accepted; all ÷ accepted where the transport told of no delivery, and the table "
    "says so",
    "bounced": "messages that the provider could not deliver, or dropped",
    "complained": "messages that were called spam; Gmail wants less than 0.10 %, and 0.30 % is the limit",
    "unsubscribed": "messages by whose link, or the provider's, somebody refused further mail",
    "opened": "messages of which a picture was fetched, machines apart; credited with nothing",
    "clicks": "messages whose link was followed by a likely human; raw: by anybody, machines too",
    "per recipient": "net revenue of the orders after a message ÷ messages delivered (or accepted, as above)",
    "time to recovery": "from the first abandonment of recovered carts to their order",
    "shown": "messages that showed a code of this coupon",
    "redeemed": "orders that bear the code their cart was shown; each belongs to the last message that showed it",
}
OF_CARTS = (
    *("carts", "abandoned", "recovered", "recovery rate", "immature", "left in carts", "revenue", "clicked"),
    "sent, then bought",
)
DEFAULT = (*OF_CARTS, "because of the mails", "sent", "late orders")
"""What the report shows by itself."""


def define(names: Iterable[str], asked: Asked) -> dict[str, str]:
    """Return the definitions of these words, with the windows that were asked for."""
    windows = {
        "recovery_window": format_duration(asked.recovery_window),
        "attribution_window": format_duration(asked.attribution_window),
    }
    return {name: DEFINITIONS[name].format(**windows) for name in names}
