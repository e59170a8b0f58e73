"""Anna, who asks what is held about her, and to be forgotten. Nobody is called so."""

from tests.shop import cart

ANNA = "anna@example.com"
PHONE = "+493012345678"


def annas(**columns: str) -> dict[str, str]:
    known = {"first_name": "Anna", "last_name": "Zwickl", "phone": PHONE}
    known |= {"locale": "de_AT", "timezone": "Europe/Vienna"}
    known |= {"cart_url": f"https://shop.example.com/cart?for={ANNA}", "checkout_token": "kao-1", "cart_token": "tal-1"}
    return cart(**known | columns)
