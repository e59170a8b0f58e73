"""Orders as the platforms export them: one record or one row each, in which a test changes what it is about.

Where a column's name has spaces, `Order_Status` stands for `Order Status`.
"""

from typing import Any


def shopify_record(**fields: Any) -> dict[str, Any]:
    """One order of Shopify's REST API, or the body of a webhook."""
    return {
        "id": 6798482565856,
        "test": False,
        "name": "#1001",
        "email": "anna@example.com",
        "created_at": "2026-03-02T05:00:00-05:00",
        "updated_at": "2026-03-02T05:00:09-05:00",
        "cancelled_at": None,
        "financial_status": "paid",
        "currency": "USD",
        "total_price": "132.26",
        "checkout_id": 37107488451315,
        "checkout_token": "abc",
        "cart_token": "def",
        "buyer_accepts_marketing": False,
        "discount_codes": [],
        "refunds": [],
        "line_items": [{"title": "Blue mug", "quantity": 1, "price": "132.26"}],
    } | fields


def woo_record(**fields: Any) -> dict[str, Any]:
    """One order of WooCommerce's REST API v3."""
    return {
        "id": 727,
        "number": "727",
        "status": "processing",
        "currency": "USD",
        "date_created": "2026-03-02T05:00:00",
        "date_created_gmt": "2026-03-02T10:00:00",
        "date_modified": "2026-03-02T05:00:08",
        "date_modified_gmt": "2026-03-02T10:00:08",
        "total": "29.35",
        "billing": {"country": "US", "email": "anna@example.com", "phone": "(250) 087-9894"},
        "line_items": [{"name": "Blue mug", "quantity": 2, "total": "29.35"}],
        "coupon_lines": [],
        "refunds": [],
    } | fields


def woo_row(**cells: str) -> dict[str, str]:
    """One row of Advanced Order Export, with the plugin's first choice of columns."""
    plain = {
        "Order Number": "727",
        "Order Status": "Processing",
        "Order Date": "2026-03-02 11:00",
        "Country Code (Billing)": "DE",
        "Email (Billing)": "anna@example.com",
        "Phone (Billing)": "0151 23456789",
        "Order Refund Amount": "0.00",
        "Order Total Amount": "29.35",
        "Item #": "1",
        "Item Name": "Blue mug",
        "Quantity (- Refund)": "2",
        "Item Cost": "3.00",
        "Coupon Code": "",
    }
    return plain | {name.replace("_", " "): cell for name, cell in cells.items()}


def webtoffee_row(**cells: str) -> dict[str, str]:
    """One order of WebToffee's export."""
    plain = {
        "order_id": "727",
        "order_number": "A-727",
        "order_date": "2026-03-02 11:00:00",
        "paid_date": "",
        "status": "processing",
        "order_total": "29.35",
        "order_currency": "EUR",
        "customer_email": "anna@example.com",
        "billing_email": "anna@example.com",
        "billing_phone": "0151 23456789",
        "billing_country": "DE",
        "wt_import_key": "727",
        "coupon_items": "",
        "refund_items": "",
        "line_item_1": "name:Blue mug|product_id:93|sku:|quantity:2|total:6.00|sub_total:6.00",
        "line_item_2": "name:Tea: green|product_id:22|sku:Bar3|quantity:1|total:12.00|sub_total:12.00",
    }
    return plain | cells


def bigcommerce_row(**cells: str) -> dict[str, str]:
    """One order of BigCommerce's export."""
    plain = {
        "Order ID": "101",
        "Customer Name": "Anna Example",
        "Customer Email": "anna@example.com",
        "Customer Phone": "(250) 087-9894",
        "Order Date": "03/22/2026",
        "Order Time": "06:00:00",
        "Order Status": "Awaiting Fulfillment",
        "Order Total (inc tax)": "29.35",
        "Order Total (ex tax)": "27.00",
        "Order Currency Code": "USD",
        "Refund Amount": "0.00",
        "Product Details": "Product Name: Blue mug, Product Qty: 2",
    }
    return plain | {name.replace("_", " "): cell for name, cell in cells.items()}


def seller_center_row(**cells: str) -> dict[str, str]:
    """One item of an order of TikTok's Seller Center, as it writes it: ids end in a tab."""
    plain = {
        "Order ID": "583870900000000010\t",
        "Order Status": "To ship",
        "Order Substatus": "Awaiting shipment",
        "SKU ID": "1729500000000000001\t",
        "Seller SKU": "MUG-B",
        "Product Name": "Blue mug",
        "Variation": "Default",
        "Quantity": "2",
        "SKU Unit Original Price": "60.00",
        "SKU Subtotal After Discount": "120.00",
        "Order Amount": "137.40",
        "Order Refund Amount": "0",
        "Created Time": "03/04/2026 18:00:00\t",
        "Paid Time": "03/04/2026 18:05:00\t",
        "Cancelled Time": "",
        "Phone #": "(+60)12*****89",
    }
    return plain | {name.replace("_", " "): cell for name, cell in cells.items()}


SELLER_CENTER_DESCRIPTION = dict.fromkeys(seller_center_row(), "") | {
    "Order ID": "Platform unique order ID.",
    "Order Status": "Current order status.",
}
"""The row below the header, which says what each column holds."""
