"""A small sequence for contacts, and the contacts: three mails in four days to people who answered eight questions."""

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cartctl.domain.sequences import parse_sequence
from cartctl.importers.contacts import ContactLine
from cartctl.jobs import enroll
from cartctl.mail.render import Renderer
from cartctl.resources import shipped_templates
from cartctl.store.database import EngineDatabase
from tests.jobs.engine import RULES, Engine
from tests.shop import Shop, at, write_csv

HEAD = """
trigger = "enrolled"
stop_when = ["unsubscribed", "booked"]
"""
ATTRIBUTES = """
[attributes]
red = { type = "integer", min = 0, max = 8 }
orange = { type = "integer", min = 0, max = 8, default = 0 }
score = { type = "integer", min = 0, max = 100, default = 50 }

[[check]]
that = "red + orange <= 8"
else = "more answers than questions"

[[segment]]
key = "critical"
when = "red >= 2"
description = "Several things fail"
action = "Ring today"

[[segment]]
key = "urgent"
when = "red == 1 or orange >= 2"

[[segment]]
key = "optimize"
"""
STEPS = """
[[step]]
key = "result"
after = "0m"
test_after = "0m"
subject = "{{ business_name }}: {{ score }} of 100"

[[step]]
key = "focus"
after = "48h"
test_after = "2m"
subject = "Where to begin"

[[step]]
key = "closing"
after = "96h"
test_after = "5m"
subject = "The last one"
"""
SEQUENCE = HEAD + ATTRIBUTES + STEPS
MJML = "<mjml><mj-body><mj-section><mj-column><mj-text>{}</mj-text></mj-column></mj-section></mj-body></mjml>\n"
TEXTS = {
    "result": "Dear {{ first_name }}, {{ red }} red and {{ orange }} orange. {{ unsubscribe_link }}",
    "focus": "Begin with the orange ones. {{ unsubscribe_link }}",
    "focus@critical": "Begin with the red ones: there are {{ red }}. {{ unsubscribe_link }}",
    "closing": "Good luck, {{ first_name }}. {{ unsubscribe_link }}",
}
ANNA, BO, CLEO = "anna@example.com", "bo@example.com", "cleo@example.com"


PLAIN = dict.fromkeys(TEXTS, "Dear {{ first_name }}. {{ unsubscribe_link }}")
"""Of a sequence that asks for nothing."""


def set_up(
    shop: Shop,
    text: str = SEQUENCE,
    *,
    settings: str = "",
    name: str = "check-up",
    texts: Mapping[str, str] = TEXTS,
) -> None:
    """Put the sequence into the shop's own templates folder."""
    _write(shop.folder / "templates" / name, text, texts)
    shop.configure(f'templates = "templates"\n{settings}')


def engine_of(database: EngineDatabase, folder: Path, text: str) -> Engine:
    """An engine that knows the sequence beside the shipped ones."""
    _write(folder / "templates" / "check-up", text, PLAIN)
    engine = Engine(database, folder)
    engine.renderer = Renderer([folder / "templates", shipped_templates()])
    check_up = parse_sequence("check-up", tomllib.loads(text), where="sequence.toml")
    engine.rules = replace(RULES, sequences={**RULES.sequences, "check-up": check_up})
    return engine


def sign_up(engine: Engine, *emails: str, when: str = "30m") -> None:
    how = enroll.enrolling(engine.rules, "check-up", store="main", now=at(when))
    with engine.database.write(carts="change") as connection:
        lines = [ContactLine(row=row, email=email) for row, email in enumerate(emails, start=1)]
        enroll.enroll(connection, lines, how, source="test", now=at(when))


def _write(folder: Path, text: str, texts: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sequence.toml").write_text(text, encoding="utf-8")
    for step, words in texts.items():
        (folder / f"{step}.mjml").write_text(MJML.format(words), encoding="utf-8")
        (folder / f"{step}.txt").write_text(words, encoding="utf-8")


def person(email: str = ANNA, **columns: str) -> dict[str, str]:
    """One row of a list of contacts."""
    return {"email": email, "first_name": "Anna", "business_name": "Anna's Mugs", "red": "2"} | columns


def people(shop: Shop, *rows: dict[str, str], name: str = "people.csv") -> Path:
    return write_csv(shop.folder / name, *rows)
