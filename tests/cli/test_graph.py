"""`cartctl sequences graph`: a picture made of a sequence.toml and the names of its texts, and of nothing else."""

import re
from pathlib import Path

import pytest

from tests.shop import Cli

ODD = """
trigger = "enrolled"
stop_when = ["unsubscribed", "booked"]

[attributes]
red = { type = "integer", min = 0, max = 8 }
size = { type = "number", min = 0.5 }
age = { type = "integer", max = 120, default = 40 }
trade = { type = "text" }

[[check]]
that = "red < 9"
else = 'red is "too much"'

[[segment]]
key = "end"
when = 'red > 2 and trade != "A & B" or trade == "#5; `x`"'

[[segment]]
key = "rest"

[[step]]
key = "hello"
after = "0m"
subject = "Hello"

[[step]]
key = "end"
after = "1h30m"
coupon = "spring"
on_cooldown = "skip"
subject = "Bye"
"""


CODE = "with a code of spring, and not for who had one lately"


@pytest.fixture
def odd(cli: Cli) -> Path:
    """A sequence with everything that a picture may stumble over."""
    folder = Path("templates/odd")
    folder.mkdir(parents=True)
    (folder / "sequence.toml").write_text(ODD, encoding="utf-8")
    for name in ("hello.txt", "hello.mjml", "end@rest.de.txt", "end@rest.txt", "end.txt", "end.de.txt", "end@end.mjml"):
        (folder / name).write_text("", encoding="utf-8")
    (folder / "ending@rest.txt").write_text("of no step", encoding="utf-8")
    Path("cartctl.toml").write_text('templates = "templates"\n', encoding="utf-8")
    return folder


NODE = r'\w+(?:\(\["[^"<>]*(?:<br/>[^"<>]*)*"\]\)|\["[^"<>]*(?:<br/>[^"<>]*)*"\]|\{"[^"<>]*"\})?'
ARROW = r'(?:-->|-\.->)(?:\|"[^"<>]*"\|)?'
LINE = re.compile(rf'{NODE}(?: {ARROW} {NODE})?|subgraph \w+\["[^"]*"\]|end')


def flowchart(text: str) -> list[str]:
    """Return the lines of a Mermaid flowchart, each held to its grammar: a node, an edge, a subgraph or its end."""
    first, *lines = text.splitlines()
    assert first == "flowchart TD"
    depth = 0
    for line in (each.strip() for each in lines):
        assert LINE.fullmatch(line), line
        depth += line.startswith("subgraph ") - (line == "end")
        assert depth in (0, 1)
    assert depth == 0
    return lines


def test_a_sequence_as_text(cli: Cli, odd: Path) -> None:
    assert cli("sequences", "graph", "odd").out == (
        "odd: a contact is enrolled\n"
        "  needs red: integer from 0 to 8\n"
        "  needs size: number from 0.5\n"
        "  needs age: integer up to 120, else 40\n"
        "  needs trade: text\n"
        '  check red < 9, else: red is "too much"\n'
        '  segment end   red > 2 and trade != "A & B" or trade == "#5; `x`"\n'
        "  segment rest  everybody else\n"
        "       0  hello\n"
        f"   1h30m  end    {CODE}; texts @end, @rest, @rest.de, .de\n"
        "  ends when booked, unsubscribed, or after the last step\n"
    )


def test_a_sequence_as_mermaid_with_its_odd_words_put_in_numbers(cli: Cli, odd: Path) -> None:
    lines = flowchart(cli("sequences", "graph", "odd", "--format", "mermaid").out)
    assert [line.strip() for line in lines] == [
        'start1(["odd<br/>a contact is enrolled"])',
        'start1 --> which1{"which segment?"}',
        'which1 -->|"red #62; 2 and trade != #34;A #38; B#34; or trade == #34;#35;5; #96;x#96;#34;"| segment1_1["end"]',
        "segment1_1 --> step1_1",
        'which1 -->|"everybody else"| segment1_2["rest"]',
        "segment1_2 --> step1_1",
        'subgraph steps1["each mail once"]',
        'step1_1["hello<br/>at once"]',
        f'step1_2["end<br/>after 1h30m<br/>{CODE}<br/>texts @end, @rest, @rest.de, .de"]',
        "step1_1 --> step1_2",
        "end",
        'step1_2 --> done1(["finished"])',
        'steps1 -.->|"booked or unsubscribed"| stop1(["stopped"])',
    ]


def test_without_a_name_all_sequences_are_drawn(cli: Cli, odd: Path) -> None:
    text = cli("sequences", "graph").out
    assert re.findall("^(\\S+): a ", text, re.MULTILINE) == ["odd", "cart-recovery", "christmas"]
    lines = flowchart(cli("sequences", "graph", "--format", "mermaid").out)
    nodes = [match[1] for line in lines if (match := re.match(r"\s*(\w+)[(\[]", line))]
    assert len(nodes) == len(set(nodes)), "two sequences share no node"
    assert {"step1_2", "step2_3", "step3_7"} <= set(nodes)


def test_the_picture_follows_the_file(cli: Cli, odd: Path) -> None:
    before = cli("sequences", "graph", "cart-recovery").out
    assert "      2d  offer     with a code of recovery10; texts .de\n" in before
    own = Path("templates/cart-recovery")
    own.mkdir()
    (own / "sequence.toml").write_text(
        'trigger = "cart-abandoned"\n[[step]]\nkey = "only"\nafter = "45m"\nsubject = "Hello"\n'
        'min_total = { EUR = "20.00", USD = "25.00" }\n',
        encoding="utf-8",
    )
    assert cli("sequences", "graph", "cart-recovery").out == (
        "cart-recovery: a cart is abandoned\n"
        "     45m  only  carts of 20.00 EUR or 25.00 USD and more\n"
        "  ends when purchased, unsubscribed, or after the last step\n"
    )


def test_a_sequence_that_is_none_is_named(cli: Cli, odd: Path) -> None:
    outcome = cli("sequences", "graph", "ood", ok=False)
    assert outcome.exit_code == 2
    assert outcome.err == 'cartctl: no sequence "ood" (did you mean "odd"?)\n'
