"""The lines of a run: in the order of their messages, whoever told of them, and whatever the disk takes."""

import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from sqlalchemy import update

from cartctl.cli.lines import Lines
from cartctl.store.database import open_database
from cartctl.store.tables import carts
from tests.bench.stock import fill
from tests.shop import Cli, Shop, at, iso

FULL_DISK = """
import resource, signal, sys
sys.dont_write_bytecode = True  # it would be cut off, and break whoever reads it next
from cartctl.cli import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
largest = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
main(sys.argv[2:])
"""


def test_lines_stand_by_message_and_each_messages_own_as_they_came() -> None:
    with closing(Lines()) as lines:
        for number, line in [(3, "c"), (1, "b, at first"), (2, "a"), (1, "a, later")]:
            lines.add(number, line)
        assert list(lines) == ["b, at first", "a, later", "a", "c"]


def test_several_threads_may_tell() -> None:
    start = Barrier(4)
    with closing(Lines()) as lines:

        def tell(first: int) -> None:
            start.wait()
            for number in range(first, 2000, 4):
                lines.add(number, str(number))

        threads = [Thread(target=tell, args=(first,)) for first in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [int(line) for line in lines] == list(range(2000))
        assert lines.lost == ""


@pytest.mark.skipif(sys.platform != "linux", reason="a limit on the size of files stands for the full disk")
def test_a_full_disk_costs_the_lines_and_no_mail(cli: Cli, postgres_url: str) -> None:
    """On PostgreSQL, whose files are another process's. The lines are more than may lie in memory."""
    shop = Shop(cli, cli.folder, database_url=postgres_url)
    database = open_database(postgres_url)
    fill(database, 150, now=at("1h"), due=-timedelta(minutes=5), items=0)
    with database.write() as connection:
        connection.execute(update(carts).values(external_id=carts.c.external_id + "-" * 150))
    database.close()
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, "20000", "run-due", "-v", "--confirm-burst", "--at", iso("1h")],
        cwd=shop.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "0 carts detected, 0 enrolled, 150 sent\n"
    assert done.stderr.startswith("cartctl: what became of each message cannot be printed: ")
    assert len(shop.mails) == 150
