"""`cartctl init`: a commented configuration to start from."""

from pathlib import Path
from typing import Annotated

import typer

from cartctl.config import FILE_NAME
from cartctl.errors import UsageError

TEMPLATE = """\
# cartctl.toml: every key, with its default. What is commented out is the default, or an example.
# The environment wins: DATABASE_URL, SENDGRID_API_KEY, RESEND_API_KEY, SMTP_PASSWORD, NOTION_API_KEY, and
# CARTCTL_ + key (CARTCTL_SENDING__CAP=3).
# A relative path counts from this file's folder.

# How mail leaves: "outbox" writes it into a folder; "sendgrid", "resend" and "smtp" deliver it. Nothing else decides.
transport = "outbox"
# outbox = "outbox"
# database = "sqlite:///cartctl.db"          # or postgresql+psycopg://user@host/name

# A delivering transport needs these three:
# from = "Example Shop <shop@example.com>"
# postal_address = "Example Shop, 1 Example Street, Exampletown"
# base_url = "https://mail.example.com"      # where the recovery and unsubscribe links lead
# reply_to = "help@example.com"

# mode = "live"                              # "test": mail goes to test_recipients alone, everything else is held
# test_recipients = ["you@example.com"]
# time_scale = 1                             # tests go so many times as fast: 60 makes an hour a minute

# templates = "templates"                    # your own templates; what is not in there comes from cartctl
# timezone = "UTC"                           # for stores that name none

[abandonment]
# idle_after = "30m"                         # a cart left alone so long is abandoned
# max_age = "72h"                            # one found later than this counts, but nobody is written to

[purchase]
# slack = "1h"                               # an order placed so long before the last activity still closes the cart
# not_purchases = ["failed", "voided", "cancelled", "expired"]

[sending]
# concurrency = 16                           # connections to the provider
# timeout = "20s"                            # less than half of lease
# rate_per_second = 50                       # off unless set: what the provider allows, of each; Resend: 2
# lease = "5m"                               # how long a run may hold a message before another takes it back
# min_gap = "12h"                            # between two mails to one person; a step may set its own
# grace = "24h"                              # a mail later than this is skipped, not sent
# cap = 5                                    # mails to one person within cap_window; 0: no cap
# cap_window = "7d"
# quiet_hours = "22:00-08:00"                # off unless set; the shopper's own clock

[safety]
# orders_max_age = "26h"                     # older orders: who bought is not known, so mail is held; "0": never

[consent]
# require = "not-refused"                    # "opt-in": only who said yes; "none": everybody

[report]
# recovery_window = "14d"
# attribution_window = "5d"

[retention]
# personal_data = "730d"                     # off unless set: cartctl purge erases who was not heard of for so long

[sendgrid]
# host = "https://api.sendgrid.com"          # https://api.eu.sendgrid.com for EU subusers
# sandbox = false
# ca_file = "/etc/ssl/certs/ca-certificates.crt"
# webhook_key = "MFkwEwYH..."                # of its signed event webhook, which cartctl serve takes
# The key belongs into the environment: SENDGRID_API_KEY

[resend]
# host = "https://api.resend.com"
# ca_file = "/etc/ssl/certs/ca-certificates.crt"
# The key belongs into the environment: RESEND_API_KEY; so does the webhook's: CARTCTL_RESEND__WEBHOOK_SECRET

[smtp]
# host = "smtp.example.com"
# port = 2525                                # unless set: 587 for starttls, 465 for tls, 25 for none
# security = "starttls"                      # or "tls" from the first byte; "none" for a server on this machine
# username = "shop"
# sandbox = false                            # true: you say that the server is a trap; a real one still sends
# ca_file = "/etc/ssl/certs/ca-certificates.crt"
# The password belongs into the environment: SMTP_PASSWORD

[notion]
# host = "https://api.notion.com"
# ca_file = "/etc/ssl/certs/ca-certificates.crt"
# requests_per_second = 3
# sequences = []                             # which are mirrored; none named: all that contacts are enrolled in
# The key belongs into the environment: NOTION_API_KEY

[notion.contacts]
# database = "https://www.notion.so/example/Contacts-1b0a4c77e2c94d0e8a55f0a3f6f0d9b1"
# data_source = "Contacts"                   # where the database has several
# id = "cartctl ID"                          # what the properties are called there; "" is not shown
# name = "Name"
# email = "Email"
# business = "Business"
# sequence = "Sequence"
# segment = "Segment"
# phase = "Phase"
# mail = "Mail {n} sent"                     # one for each step
# test = "Test"
# attributes = { red = "Red systems" }       # of attributes that are called otherwise there

[notion.messages]
# database = "https://www.notion.so/example/Mails-2c1b5d88f3da5e1f9b66a1b4a7a1eac2"
# data_source = "Mails"
# id = "cartctl ID"
# name = "Name"
# contact = "Contact"
# sequence = "Sequence"
# step = "Step"
# state = "State"
# at = "When"
# receipt = "Receipt"
# test = "Test"

[notion.templates]
# database = "https://www.notion.so/example/Copy-3d2c6e99a4eb6f2fac77b2c5b8b2fbd3"
# data_source = "Copy"
# id = "Name"
# subject = "Subject"

[tiktok]
# app_key = "6abcdef"                        # of your app in Partner Center; with its secret, webhooks must be signed
# The secret belongs into the environment: CARTCTL_TIKTOK__APP_SECRET

[channels.tiktok]
# write_to_relay = false                     # true: write to ...@scs2.tiktok.com too; TikTok asks nobody to

[log]
# format = "text"                            # "json": one object a line on standard error, ids only

[metrics]
# textfile = "/var/lib/node_exporter/cartctl.prom"   # for Prometheus, written after each run-due

[healthcheck]
# url = "https://hc.example.com/your-id"     # called at the start and the end of each run-due; keep it to yourself

[doctor]
# dkim_selectors = []                        # where your DKIM keys are, if not where the provider puts them
# nameserver = "192.0.2.53"                  # for cartctl doctor --online; else this machine's own

[web]
# trusted_proxies = []                       # addresses of your own proxy, such as "127.0.0.1": it says who asks
# rate_limit = 300                           # requests a minute from one address; 0: no limit
# rate_limit_per_key = 6000                  # requests a minute with one key or signature
# The key for /api/cart/analytics belongs into the environment: CARTCTL_WEB__REPORT_KEY
# scanners = []                              # addresses or networks whose clicks are no shopper's

[alerts]
# owner = "mail:owner@example.com"           # whom a segment with alert = "owner" tells; or "webhook:https://..."
# A webhook's URL is a secret: it belongs into the environment, CARTCTL_ALERTS__OWNER

[coupons]
# recovery10 = "BACK10"                      # the code of the offer mail; or one for each: cartctl import coupons

[coupon]
# cooldown = "90d"                           # who was shown a code within it is shown none
# warn_below = 50                            # of fewer imported codes left run-due warns; 0: never

# [mappings.oldshop]                         # for cartctl import carts --map oldshop FILE
# "Cart no." = "cart_id"                     # their column = the column of our own format

# [stores.main]                              # one table a shop
# hosts = ["shop.example.com"]               # recovery links lead to these and nowhere else
# image_hosts = ["cdn.shopify.com"]          # where its pictures lie; at Shopify this is the default
# discount = "shopify"                       # or "woocommerce", or a parameter's name: how a link carries the code
# logo = "https://shop.example.com/logo.png" # for mails and pages; on one of these hosts
# colour = "#1f4fd8"                         # of their buttons and links
# support = "help@shop.example.com"          # whom shoppers may ask; or an https address
# postal_address = "Other Shop, 2 Example Street, Exampletown"   # where it is not that above
# locale = "de"                              # of carts whose exports name none: the language of their mails
# tiktok_shop_id = "7495540735"              # whose TikTok webhooks these are, where there are several shops
# api_key = "at least 20 characters"         # of its server, for /api/cart/track; both are better in the environment:
# shopify_secret = "shpss_..."               # CARTCTL_STORES__MAIN__API_KEY, CARTCTL_STORES__MAIN__SHOPIFY_SECRET
# url = "https://shop.example.com"
# brand = "Example Shop"
# currency = "EUR"                           # for exports that name none
# timezone = "Europe/Berlin"                 # for times without an offset, and for dates in reports
# country = "DE"                             # how phone numbers without a country code are read
# date_order = "day-first"                   # or "month-first": 03/04/2026, where nothing else in its file tells
"""


def init(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to write it.")] = Path(),
) -> None:
    """Write a commented cartctl.toml. Asks nothing, overwrites nothing."""
    path = folder / FILE_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as stream:
            stream.write(TEMPLATE)
    except FileExistsError:
        raise UsageError(f"{path} exists already: it was left as it is") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None
    typer.echo(f"{path} written. Next: cartctl import carts FILE")
