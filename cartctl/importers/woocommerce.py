"""What WooCommerce's orders share, whichever way they were exported: the meaning of a status.

`pending` (awaiting payment) and `on-hold` count as bought: the shopper has placed the order. A draft of the checkout is
none. What was trashed was deleted by the shop. https://woocommerce.com/document/managing-orders/order-statuses/
"""

from cartctl.importers.orders import NEVER_PLACED, Statuses

_SLUGS = {
    "pending": ("pending", "pending payment"),
    "on-hold": ("on-hold", "on hold"),
    "processing": ("processing",),
    "completed": ("completed",),
    "refunded": ("refunded",),
    "partially-refunded": ("partially-refunded", "partially refunded"),
    "failed": ("failed",),
    "cancelled": ("cancelled", "canceled", "trash", "trashed"),
    NEVER_PLACED: ("checkout-draft", "auto-draft", "draft"),
}


def statuses() -> Statuses:
    """The database's spelling (`wc-on-hold`), the API's (`on-hold`) and what people read (`On hold`) are one."""
    spelt = {word: slug for slug, words in _SLUGS.items() for word in words}
    return Statuses(spelt | {f"wc-{word}": slug for word, slug in spelt.items()})
