"""`cartctl demo`: a small invented shop, three days in a few seconds, with the very commands an operator would type.

Nothing leaves the machine: the demo has its own folder, its own configuration, and the outbox; what the environment
says about databases and providers is set aside meanwhile.
"""

import contextlib
import os
import shlex
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from cartctl.cli import demo_shop
from cartctl.config import FILE_NAME
from cartctl.errors import UsageError


def demo(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where the demo's shop is made.")] = Path(
        "cartctl-demo"
    ),
) -> None:
    """Make a small shop's exports and run the whole job on them, three days in a few seconds."""
    start = (datetime.now(UTC) - timedelta(days=3)).replace(minute=0, second=0, microsecond=0)
    _prepare(folder)
    demo_shop.write_exports(folder, start)
    typer.echo(f"A small invented shop, three days ago, in {folder}/\n$ cd {shlex.quote(str(folder))}")
    with contextlib.chdir(folder), _clean_environment():
        for wait, command in demo_shop.STORY:
            _run([*command, "--at", (start + wait).strftime("%Y-%m-%dT%H:%M:%SZ")])
    typer.echo(
        f"""
The mails lie in {folder}/outbox/ (open one in your mail program), the database is {folder}/cartctl.db.
Nothing was sent. Try next, in {folder}/:
  cartctl run-due --dry-run -v        what is due now, to whom and why: Fritz's second mail
  cartctl report --json               the same numbers for a program
  cartctl sequences check -v          render every mail on odd carts
Be the shopper, with two servers that run until Ctrl-C, each in a terminal of its own:
  cartctl serve                               answers the links in the mails
  python3 -m http.server 8001 -d shop         stands in for the shop
  1. Open outbox/{_mail_of("fritz", folder)}, press its button: you are back at the cart.
  2. In the same mail press Unsubscribe, and the button on the page.
  3. cartctl run-due -v                       sends Fritz nothing any more
and read the README's five-minute tour."""
    )


def _prepare(folder: Path) -> None:
    """Start from nothing, but never remove what is not the demo's."""
    if folder.exists():
        config = folder / FILE_NAME
        ours = config.is_file() and config.read_text(encoding="utf-8", errors="replace").startswith(demo_shop.MARK)
        if not ours and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(f"{folder} exists and is no demo of cartctl: name another folder")
        for name in ("exports", "outbox", "shop"):
            shutil.rmtree(folder / name, ignore_errors=True)
        for path in folder.glob("cartctl.db*"):
            path.unlink()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be made: {error.strerror}") from None


def _mail_of(name: str, folder: Path) -> str:
    """Name the newest mail to somebody."""
    to = f"To: {name}@example.com"
    mails = sorted((folder / "outbox").glob("*.eml"))
    return next(path.name for path in reversed(mails) if to in path.read_text(encoding="utf-8"))


@contextlib.contextmanager
def _clean_environment() -> Iterator[None]:
    """Set aside every variable that could lead the demo to another database or a real provider."""
    names = [n for n in os.environ if n.startswith("CARTCTL_") or n in ("DATABASE_URL", "SENDGRID_API_KEY")]
    kept = {name: os.environ.pop(name) for name in names}
    try:
        yield
    finally:
        os.environ.update(kept)


def _run(command: list[str]) -> None:
    """Print a command, then run it as if it had been typed."""
    from cartctl.cli import main

    typer.echo(f"\n$ cartctl {shlex.join(command)}")
    try:
        main(command)
    except SystemExit as end:
        if end.code:
            raise
