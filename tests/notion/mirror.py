"""A shop whose contacts are in a sequence of three mails, and the two databases that show them in Notion."""

import json
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert, select, update

from cartctl.store import contacts as contacts_store
from cartctl.store.database import EngineDatabase, connect
from cartctl.store.tables import contacts, enrollments, message_transitions, messages, mirrored
from tests.notion.standin import KEY, Standin
from tests.process import Process
from tests.shop import Cli, Outcome, at

SEQUENCE = """\
trigger = "enrolled"

[[step]]
key = "welcome"
after = "0m"
subject = "Welcome"

[[step]]
key = "advice"
after = "48h"
subject = "Some advice"

[[step]]
key = "farewell"
after = "96h"
subject = "Farewell"

[attributes.red]
type = "integer"
min = 0
max = 8

[attributes.trade]
type = "text"
default = ""

[[segment]]
key = "critical"
when = "red >= 2"

[[segment]]
key = "calm"
"""
CONTACTS = {
    "cartctl ID": "rich_text",
    "Name": "title",
    "Email": "email",
    "Business": "rich_text",
    "Sequence": "select",
    "Segment": "select",
    "Phase": "select",
    "Test": "checkbox",
    "Red": "number",
    "Trade": "rich_text",
    "Mail 1 sent": "date",
    "Mail 2 sent": "date",
    "Mail 3 sent": "date",
    "Notes of our own": "rich_text",
}
MESSAGES = {
    "cartctl ID": "rich_text",
    "Name": "title",
    "Contact": "email",
    "Sequence": "select",
    "Step": "select",
    "State": "rich_text",
    "When": "date",
    "Receipt": "rich_text",
    "Test": "checkbox",
}


class Mirror:
    """The shop's folder, its database, and Notion."""

    def __init__(self, cli: Cli, folder: Path, standin: Standin, database_url: str) -> None:
        self.cli, self.folder, self.standin, self.database_url = cli, folder, standin, database_url
        self.database = EngineDatabase(connect(database_url))
        self.contacts, self.messages = standin.database(CONTACTS), standin.database(MESSAGES)
        sequence = folder / "templates" / "course" / "sequence.toml"
        sequence.parent.mkdir(parents=True)
        sequence.write_text(SEQUENCE, encoding="utf-8")
        self.configure()

    def configure(self, more: str = "", *, contacts: str = "", rate: float = 10_000) -> None:
        """Write cartctl.toml. `contacts`: more lines of [notion.contacts]."""
        text = (
            f'database = "{self.database_url}"\ntemplates = "templates"\n'
            f'[notion]\nhost = "{self.standin.url}"\nca_file = "{self.standin.ca_file}"\napi_key = "{KEY}"\n'
            f"requests_per_second = {rate}\n"
            f'[notion.contacts]\ndatabase = "{self.contacts}"\n{contacts}\n'
            f'[notion.messages]\ndatabase = "{self.messages}"\n{more}'
        )
        (self.folder / "cartctl.toml").write_text(text, encoding="utf-8")

    def enroll(self, email: str, *, when: str = "0m", segment: str = "calm", **more: Any) -> int:
        """Put a contact into the sequence; return the enrollment's id."""
        about = {"first_name": "", "business_name": "", "attributes": json.dumps({"red": more.pop("red", 0)})}
        with self.database.write() as connection:
            contact = contacts_store.ensure(connection, [email])[email]
            known = {key: more.pop(key) for key in about if key in more}
            connection.execute(update(contacts).where(contacts.c.id == contact).values(about | known))
            row = {"sequence": "course", "contact_id": contact, "store": "main", "status": "live", "segment": segment}
            row |= {"enrolled_at": at(when)} | more
            return int(connection.execute(insert(enrollments).values(row).returning(enrollments.c.id)).scalar_one())

    def message(self, enrollment: int, step: str, state: str = "accepted", *, when: str = "1h", **more: Any) -> int:
        """Add a message in a state it came into at a time."""
        with self.database.write() as connection:
            contact = connection.execute(
                select(enrollments.c.contact_id).where(enrollments.c.id == enrollment)
            ).scalar()
            row = {"enrollment_id": enrollment, "contact_id": contact, "step": step, "state": state}
            row |= {"due_at": at(when), "attempt_at": at(when)} | more
            if state == "accepted":
                row |= {"sent_at": at(when), "receipt": f"receipt-{step}"}
            id_ = int(connection.execute(insert(messages).values(row).returning(messages.c.id)).scalar_one())
            moved = {"message_id": id_, "at": at(when), "from_state": "scheduled", "to_state": state}
            connection.execute(insert(message_transitions).values(moved))
            return id_

    def change(self, enrollment: int, **values: Any) -> None:
        with self.database.write() as connection:
            connection.execute(update(enrollments).where(enrollments.c.id == enrollment).values(values))

    def sync(self, *options: str) -> dict[str, Any]:
        """Sync, then once more: the second run must find nothing to write."""
        first: dict[str, Any] = self.cli("notion", "sync", "--json", *options).json
        before = len(self.standin.pages)
        second = self.sync_once().json
        assert (second["created"], second["updated"], second["discarded"]) == (0, 0, 0), second
        assert len(self.standin.pages) == before
        return first

    def sync_once(self, *, ok: bool = True) -> Outcome:
        return self.cli("notion", "sync", "--json", ok=ok)

    def start(self, failpoint: str = "") -> Process:
        """Start `cartctl notion sync` as a process of its own."""
        return Process("notion", "sync", folder=self.folder, failpoint=failpoint)

    def lose_page_ids(self) -> None:
        """Let the database be one that was restored from before the mirror."""
        with self.database.write() as connection:
            connection.execute(delete(mirrored))

    @property
    def people(self) -> list[dict[str, Any]]:
        return self.standin.rows(self.contacts)

    @property
    def log(self) -> list[dict[str, Any]]:
        return self.standin.rows(self.messages)

    def assert_no_duplicates(self) -> None:
        self.standin.assert_no_duplicates(self.contacts, "cartctl ID")
        self.standin.assert_no_duplicates(self.messages, "cartctl ID")
