"""Carts as other shops' software exports them: one record or one row each, in which a test changes what it is about.

Where a column's name has spaces or hyphens, an underscore stands for them.
"""

from typing import Any

NATIVE: dict[str, Any] = {
    "cart_id": "c-1",
    "updated_at": "2026-03-02T10:00:00Z",
    "created_at": "2026-03-02T10:30:00+01:00",
    "email": "Anna@example.com",
    "phone": "+4915123456789",
    "first_name": "Anna",
    "currency": "EUR",
    "total": 33.9,
    "consent": True,
    "items": [
        {"product_name": "Blue mug", "variant": "large", "quantity": 2, "unit_price": 12.50, "sku": 4711},
        {"product_name": "Tea", "unit_price": "8.90", "image_url": None},
    ],
}
"""cartctl's own JSON."""
CHECKOUT: dict[str, Any] = {
    "id": 37107488451315,
    "token": "tok-1",
    "cart_token": "cart-tok-1",
    "email": "Anna@example.com",
    "buyer_accepts_marketing": False,
    "created_at": "2026-03-02T05:00:00-05:00",
    "updated_at": "2026-03-02T05:04:00-05:00",
    "completed_at": None,
    "abandoned_checkout_url": "https://shop.example.com/548380009/checkouts/tok-1/recover?key=k",
    "customer_locale": "de-DE",
    "currency": "USD",
    "presentment_currency": "EUR",
    "total_price": "132.26",
    "phone": None,
    "line_items": [
        {
            "title": "Blue mug",
            "variant_title": "large",
            "quantity": 1,
            "price": "70.95",
            "line_price": "70.95",
            "sku": "MUG-1",
            "product_id": 632910392,
        },
        {"title": "Tea", "variant_title": "", "quantity": 2, "price": "15.00", "sku": "", "product_id": None},
    ],
    "customer": {"first_name": "Anna", "last_name": "Example", "email_marketing_consent": {"state": "not_subscribed"}},
    "billing_address": {"first_name": "Annie", "last_name": "Payer", "phone": "(250) 087-9894", "country_code": "US"},
}
"""A checkout of Shopify's REST API, or the body of a webhook."""
NODE: dict[str, Any] = {
    "id": "gid://shopify/AbandonedCheckout/37107488451315",
    "abandonedCheckoutUrl": "https://shop.example.com/548380009/checkouts/tok-1/recover?key=k",
    "completedAt": None,
    "createdAt": "2026-03-02T10:00:00Z",
    "updatedAt": "2026-03-02T10:04:00Z",
    "customer": {
        "firstName": "Anna",
        "lastName": "Example",
        "locale": "de-DE",
        "defaultEmailAddress": {"emailAddress": "anna@example.com", "marketingState": "NOT_SUBSCRIBED"},
    },
    "billingAddress": {"phone": "(250) 087-9894", "countryCodeV2": "US"},
    "totalPriceSet": {"shopMoney": {"amount": "132.26", "currencyCode": "USD"}},
    "lineItems": {
        "edges": [
            {
                "node": {
                    "title": "Blue mug",
                    "variantTitle": "large",
                    "quantity": 1,
                    "sku": "MUG-1",
                    "originalUnitPriceSet": {"shopMoney": {"amount": "70.95", "currencyCode": "USD"}},
                    "product": {"id": "gid://shopify/Product/632910392"},
                    "image": {"url": "https://cdn.example.com/mug.png"},
                }
            },
            {"node": {"title": "Tea", "quantity": 2, "originalUnitPriceSet": {"shopMoney": {"amount": "15.0"}}}},
        ]
    },
}
"""The same checkout from the GraphQL API."""
CART_WEBHOOK: dict[str, Any] = {
    "id": "cart-tok-1",
    "token": "cart-tok-1",
    "line_items": [
        {
            "title": "Blue mug",
            "quantity": 3,
            "price": "19.99",
            "price_set": {"shop_money": {"amount": "19.99", "currency_code": "USD"}},
        }
    ],
    "note": None,
    "updated_at": "2026-03-02T10:00:00.894Z",
    "created_at": "2026-03-02T10:00:00.894Z",
}

STARTED: dict[str, Any] = {
    "$event_id": "check-1",
    "$value": 33.9,
    "CheckoutURL": "https://shop.example.com/checkout/1",
    "ItemNames": ["Blue mug", "Tea"],
    "Items": [
        {
            "ProductID": "1111",
            "SKU": "MUG-1",
            "ProductName": "Blue mug",
            "Quantity": 2,
            "ItemPrice": 12.5,
            "RowTotal": 25,
            "ProductURL": "https://shop.example.com/mug",
            "ImageURL": "https://shop.example.com/mug.png",
        },
        {"ProductName": "Tea", "Quantity": 1, "ItemPrice": "8.90"},
    ],
}
"""What Klaviyo knows of a checkout that was started."""
STARTED_EVENT: dict[str, Any] = {
    "type": "event",
    "id": "ev-1",
    "attributes": {
        "timestamp": 1772445600,
        "datetime": "2026-03-02T10:00:00+00:00",
        "uuid": "uuid-1",
        "event_properties": STARTED | {"email": "anna@example.com"},
    },
    "relationships": {"profile": {"data": {"type": "profile", "id": "p-1"}}},
}
STARTED_REQUEST: dict[str, Any] = {
    "data": {
        "type": "event",
        "attributes": {
            "properties": STARTED,
            "time": "2026-03-02T10:00:00Z",
            "value_currency": "EUR",
            "metric": {"data": {"type": "metric", "attributes": {"name": "Started Checkout"}}},
            "profile": {"data": {"type": "profile", "attributes": {"email": "Anna@example.com", "first_name": "Anna"}}},
        },
    }
}
STARTED_FLAT: dict[str, Any] = {
    "event": "Started Checkout",
    "customer_properties": {"$email": "anna@example.com", "$first_name": "Anna"},
    "properties": STARTED,
    "time": 1772445600,
}


def cartflows_row(**cells: str) -> dict[str, str]:
    """One cart of the CartFlows plugin."""
    cart = {
        "First-Name": "Anna",
        "Last-Name": "Example",
        "Email": "Anna@example.com",
        "Phone": "+4915123456789",
        "Products": "Blue mug, Tea",
        "Cart-Total in EUR": "33.90",
        "Order-Status": "abandoned",
        "Unsubscribed": "No",
        "Coupon-Code": "",
    }
    return cart | {name.replace("_", "-"): cell for name, cell in cells.items()}


def magento_row(**cells: str) -> dict[str, str]:
    """One row of Magento's report."""
    cart = {
        "Customer": "Anna Maria Example",
        "Email": "Anna@example.com",
        "Products": "2",
        "Quantity": "3",
        "Subtotal": "33.90",
        "Applied Coupon": "",
        "Created": "Mar 2, 2026, 10:00:00 AM",
        "Updated": "Mar 2, 2026, 11:00:00 AM",
        "IP Address": "192.0.2.1",
    }
    return cart | cells


def prestashop_row(**cells: str) -> dict[str, str]:
    """One row of PrestaShop's list."""
    cart = {
        "ID": "17",
        "Order ID": "Abandoned cart",
        "Customer": "A. Example",
        "Total": "49.90",
        "Carrier": "",
        "Date": "2026-03-02 11:00:00",
        "Online": "0",
    }
    return cart | {name.replace("_", " "): cell for name, cell in cells.items()}


def rees46_event(kind: str, at: str, product: str = "1004856", price: str = "10.00", **cells: str) -> dict[str, str]:
    """One row of a REES46 log, at so many minutes and seconds after ten o'clock."""
    row = {
        "event_time": f"2026-03-02 10:{at} UTC",
        "event_type": kind,
        "product_id": product,
        "category_id": "2053013555631882655",
        "category_code": "electronics.smartphone",
        "brand": "example",
        "price": price,
        "user_id": "513001",
        "user_session": "s-1",
    }
    return row | cells
