"""Upload the copy of sequences into a database of Notion, a page each, and read it back.

What stands there is compared with what the folders hold, so only what differs is written; what was written is read once
more, and said where it is not the same. The folders stay the truth: what somebody changed in Notion is overwritten, and
pages of texts that are gone are left alone. A run that died in the middle of a page is made good by the next one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from cartctl.errors import NotionError
from cartctl.jobs.notion_pages import Names
from cartctl.jobs.rules import Clock
from cartctl.mail.copies import Copy
from cartctl.notion import client
from cartctl.notion.client import DataSource, GoneError, Notion, RefusedError
from cartctl.notion.properties import Field, encode
from cartctl.store import mirrored
from cartctl.store.database import Database


@dataclass(slots=True)
class Pushed:
    """Which texts were written, and how many were as they should be."""

    written: list[str] = field(default_factory=list)
    unchanged: int = 0
    problems: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {"written": self.written, "unchanged": self.unchanged, "problems": self.problems}


def run(database: Database, notion: Notion, names: Names, copies: Iterable[Copy], *, clock: Clock) -> Pushed:
    """Push every copy. Raises ConfigurationError for what somebody must put right first."""
    source = notion.source(names.database, names.data_source, setting=names.setting)
    client.check(source, [Field(names.key, "key"), Field(names.properties["subject"], "text")])
    result = Pushed()
    work = _Push(database, notion, names, source, clock)
    try:
        for copy in copies:
            try:
                done = work.push(copy)
            except RefusedError as error:
                result.problems.append(f"{copy.name}: {error}")
                continue
            if done == "unchanged":
                result.unchanged += 1
            elif done == "written":
                result.written.append(copy.name)
            else:
                result.problems.append(f"{copy.name}: Notion holds something else than what was written there")
    except NotionError as error:
        result.problems.append(str(error))
    return result


@dataclass(frozen=True, slots=True)
class _Push:
    database: Database
    notion: Notion
    names: Names
    source: DataSource
    clock: Clock

    def push(self, copy: Copy) -> str:
        """Write one text where it differs. Returns what became of it: unchanged, written, different."""
        page_id, is_new = self._page(copy)
        if not is_new and self._stands(page_id, copy):
            return "unchanged"
        self.notion.update(page_id, self._properties(copy))
        self.notion.write_text(page_id, copy.text)
        return "written" if self._stands(page_id, copy) else "different"

    def _page(self, copy: Copy) -> tuple[str, bool]:
        """Return the page of a text, and whether it was just made. One that somebody deleted is made anew."""
        with self.database.read() as connection:
            row = mirrored.known(connection, mirrored.TEMPLATE, [copy.name]).get(copy.name)
        if row and row.page_id and self.notion.exists(row.page_id):
            return row.page_id, False
        found = self.notion.find(self.source, self.names.key, [copy.name]).get(copy.name)
        page_id = found or self.notion.create(self.source, self._properties(copy), key=self.names.key, value=copy.name)
        with self.database.write() as connection:
            mirrored.keep(connection, mirrored.TEMPLATE, copy.name, page_id=page_id, fingerprint="", at=self.clock())
        return page_id, not found

    def _stands(self, page_id: str, copy: Copy) -> bool:
        try:
            return self.notion.value(page_id, self._subject) == copy.subject and self.notion.text(page_id) == copy.text
        except GoneError:
            return False

    @property
    def _subject(self) -> str:
        return self.names.properties["subject"]

    def _properties(self, copy: Copy) -> dict[str, Any]:
        values = {self.names.key: copy.name, self._subject: copy.subject}
        return {name: encode(value, self.source.types[name]) for name, value in values.items()}
