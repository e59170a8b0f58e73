"""Lines of a file, staged in a temporary table, so that a file with its rows in any order needs no memory.

Staging touches no table that others see; `write` then opens the one transaction in which the file takes effect.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection, text

from cartctl.store.database import EngineDatabase

_PAGE = 5000


class Staging:
    """The staged lines of one file: (key, payload) pairs, given back in the order of their keys."""

    def __init__(self, database: EngineDatabase, connection: Connection) -> None:
        self._database = database
        self._connection = connection
        self._count = 0
        with connection.begin():
            connection.execute(text("DROP TABLE IF EXISTS staged"))
            blob = "BYTEA" if connection.dialect.name == "postgresql" else "BLOB"
            connection.execute(text(f"CREATE TEMPORARY TABLE staged (key TEXT, line INTEGER, payload {blob})"))

    def add(self, lines: Sequence[tuple[str, bytes]]) -> None:
        first = self._count
        self._count += len(lines)
        rows = [{"key": key, "line": first + i, "payload": payload} for i, (key, payload) in enumerate(lines)]
        with self._connection.begin():
            self._connection.execute(
                text("INSERT INTO staged (key, line, payload) VALUES (:key, :line, :payload)"), rows
            )

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open the transaction that makes the file take effect; alone with the carts and orders."""
        with self._connection.begin():
            self._connection.execute(text("CREATE INDEX staged_by_key ON staged (key, line)"))
        self._connection.execution_options(cartctl_write=True)
        with self._connection.begin():
            self._database.open_write(self._connection, "change")
            yield self._connection

    def groups(self) -> Iterator[list[bytes]]:
        """Yield all lines of one key, key after key. Pages by key: no cursor is held open while others write."""
        page = text(
            "SELECT key, line, payload FROM staged WHERE (key, line) > (:key, :line) ORDER BY key, line LIMIT :n"
        )
        key, line, group = "", -1, list[bytes]()
        while True:
            rows = self._connection.execute(page, {"key": key, "line": line, "n": _PAGE}).all()
            for next_key, line, payload in rows:  # noqa: B007 - the last line is where the next page starts
                if next_key != key and group:
                    yield group
                    group = []
                key = next_key
                group.append(bytes(payload))
            if len(rows) < _PAGE:
                break
        if group:
            yield group


@contextmanager
def staging(database: EngineDatabase) -> Iterator[Staging]:
    with database.engine.connect() as connection:
        yield Staging(database, connection)
