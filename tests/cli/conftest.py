"""What several tests of commands need beside a shop."""

from pathlib import Path

import pytest

SEQUENCE = """
trigger = "cart-abandoned"
stop_when = ["purchased", "unsubscribed"]

[[step]]
key = "note"
after = "30m"
subject = "Your cart"
"""
HTML = """
{% extends "shared/layout.mjml" %}
{% block opening %}<mj-text>Hello</mj-text>{% endblock %}
"""
TEXT = """
Hello: {{ recovery_link }}
{% include "shared/footer.txt" %}
"""


@pytest.fixture
def short_mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put one short mail in the place of those that are shipped, which take a second to be checked."""
    folder = tmp_path / "short" / "cart-recovery"
    folder.mkdir(parents=True)
    for name, content in (("sequence.toml", SEQUENCE), ("note.mjml", HTML), ("note.txt", TEXT)):
        (folder / name).write_text(content.lstrip(), encoding="utf-8")
    monkeypatch.setenv("CARTCTL_TEMPLATES", str(folder.parent))
