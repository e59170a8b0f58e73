"""`cartctl serve`: the endpoint behind the links in the mails."""

import logging
import os
import signal
import socket
from typing import TYPE_CHECKING, Annotated

import typer

from cartctl.cli.options import Verbose, state_of
from cartctl.errors import UsageError
from cartctl.store.database import open_database

if TYPE_CHECKING:  # half a second that no other command needs to pay
    from uvicorn import Config

KEEP_ALIVE_SECONDS = 5
STOP_SECONDS = 20
"""How long requests under way may take once the server is told to stop."""
BACKLOG = 2048


def serve(
    ctx: typer.Context,
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0: any that is free.", min=0, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(help="How many processes.", min=1, max=64)] = 1,
    verbose: Verbose = False,
) -> None:
    """Answer the recovery and unsubscribe links of the mails, until it is told to stop (SIGTERM, Ctrl-C)."""
    state = state_of(ctx, verbose=verbose)
    # Whatever is wrong is said here, in one line, before a server says it in fifty.
    open_database(state.loaded.database_url).close()
    import uvicorn

    from cartctl.web import create_app
    from cartctl.web.connections import Connection

    create_app(state.loaded)
    listening = _listen(host, port)
    if state.loaded.file is not None:  # each worker reads the configuration anew, from where this process stands
        os.environ["CARTCTL_CONFIG"] = str(state.loaded.file)
    address = f"[{host}]" if ":" in host else host
    state.say(f"Serving {state.loaded.settings.base_url} at http://{address}:{listening.getsockname()[1]}")
    logging.basicConfig(format="cartctl: %(message)s", level=logging.INFO if state.verbose else logging.WARNING)
    settings = uvicorn.Config(
        "cartctl.web:create_app",
        factory=True,
        workers=workers,
        lifespan="on",
        access_log=False,  # its lines would hold tokens
        log_config=None,
        log_level=logging.WARNING,
        proxy_headers=False,  # the application itself looks at web.trusted_proxies
        server_header=False,
        ws="none",
        http=Connection,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    _run(settings, listening)


def _run(settings: "Config", listening: socket.socket) -> None:
    from uvicorn import Server
    from uvicorn.supervisors import Multiprocess

    # uvicorn raises the signal once more when all is done; by then it has done its work.
    signal.signal(signal.SIGTERM, lambda _signal, _frame: None)
    if settings.workers > 1:
        Multiprocess(settings, sockets=[listening]).run()
    else:
        server = Server(settings)
        server.run(sockets=[listening])
        if not server.started:
            raise typer.Exit(2)


def _listen(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.create_server(found[4][:2], family=found[0], backlog=BACKLOG)
    except OSError as error:
        # Python adds the address to what the system says; a host that is not known has a text of its own.
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise UsageError(f"{host}:{port}: cannot listen there: {why}: try another --port or --host") from None
    listening.set_inheritable(True)
    return listening
