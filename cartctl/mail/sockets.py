"""What all transports that use the network share: TLS that checks, sockets that stand, words for those that do not."""

import select
import socket
import ssl

from cartctl.errors import ConfigurationError

CONNECT_SECONDS = 5.0


def tls_context(ca_file: str | None, *, setting: str) -> ssl.SSLContext:
    """Return the context for all of a transport's connections. `ca_file` None: the system's certificates.

    Build it once: with a full bundle it takes 25 ms. Raises ConfigurationError that names `setting`.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise ConfigurationError(f"{setting}: {ca_file}: no file of certificates ({error.strerror})") from None


def readable(sock: socket.socket) -> bool:
    """Say, without waiting, whether something can be read: on an idle connection the end of it, or a farewell."""
    waiting = select.poll()  # select() knows no descriptor above 1023
    waiting.register(sock, select.POLLIN)
    return bool(waiting.poll(0))


def unreached(error: Exception) -> str:
    """Say why there is no connection, without anything from the wire."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "no trusted connection: the provider's certificate was refused"
    if isinstance(error, ssl.SSLError):
        return f"no trusted connection: {error.reason or type(error).__name__}"
    said = error.strerror if isinstance(error, OSError) else None
    return f"no connection: {said or type(error).__name__}"
