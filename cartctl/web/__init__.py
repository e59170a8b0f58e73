"""The endpoint behind the links in the mails: the part of cartctl that stands on the open internet.

`create_app` is an ASGI application factory, for `cartctl serve` and for any other server. What a request leads to is
decided in `jobs`; here requests are read, held to limits, and answered.
"""

from cartctl.web.app import create_app

__all__ = ["create_app"]
