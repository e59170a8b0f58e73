"""MJML to HTML, compiled once for all mails that differ in their words alone.

While Jinja2 fills a template in, each text that it writes is set aside and a mark stands in its place; conditions,
loops and filters see the text itself. What is left is the mail's structure: it is compiled once, and the words are put
into the HTML where their marks stand. That a word has no influence on the compiler is not assumed but tried, on each
structure: with this mail's own words and with awkward ones the long way must give the same HTML to the letter. Where
it does not, mails of that structure are compiled one by one; and so are those in which a word stands where the compiler
looks for certain words alone (the name of a class, a width), which no trial would hit upon.
"""

import re
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from jinja2 import Environment, nodes, pass_environment
from markupsafe import Markup, escape
from mjml import mjml2html

_MARK = re.compile(f"w{secrets.token_hex(8)}x([0-9]+)x")
"""Not to be guessed: nothing that a shopper writes can pass for one. Letters, as the compiler rewrites what is odd."""
_WORD = "[\\x21-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]+"
_PLAIN = re.compile(f"{_WORD}(?: {_WORD})*")
"""A text that XML may hold: words with single blanks between them."""
_AWKWARD = """o'Neil & <b>"Söhne"</b> -- {x} %d; 1"""
_MORE_AWKWARD = f"{_AWKWARD}\N{NO-BREAK SPACE}\\"
_VALUE = re.compile(r"""<mj-title\b.*?</mj-title>|<[a-zA-Z](?:"[^"]*"|'[^']*'|[^>"'])*>""", re.DOTALL)
"""What becomes an attribute's value, or part of one: tags, and the title, of which the compiler makes a label."""
_HANDED_ON_IN_VALUES = re.compile("[ -\\[\\]-~\xa1-\xac\xae-\u02ff\u0400-\u0482\u4e00-\u9fff]*")
"""Other characters the compiler writes as in source code there: a no-break space as `\\u{a0}`."""
_TAG = re.compile(r"""<mj(?:ml|-[\w-]*)(?:"[^"]*"|'[^']*'|[^>"'])*>""")
_HANDED_ON = re.compile(r"""\s(?:href|src|alt|title|lang)\s*=\s*(?:"[^"]*"|'[^']*')""")
"""Attributes whose values the compiler hands on, whatever they are."""


@lru_cache(maxsize=1024)
def _mark(number: int) -> Markup:
    return Markup(_MARK.pattern.replace("([0-9]+)", str(number)))  # noqa: S704 - a mark, not a text


class NotMjmlError(ValueError):
    """The template does not give MJML; says why."""


class Compiler:
    """Compiles filled-in templates. Safe for several threads: what is being set aside belongs to one."""

    def __init__(self) -> None:
        self._local = threading.local()
        self._structure = lru_cache(maxsize=512)(_Structure)

    @contextmanager
    def setting_aside(self) -> Iterator[list[str]]:
        """Lend the list into which `set_aside` puts the words of the template that is filled in meanwhile."""
        words: list[str] = []
        self._local.words = words
        try:
            yield words
        finally:
            self._local.words = None

    @property
    def set_aside(self) -> Callable[[Environment, Any], Any]:
        """What Jinja2 calls with every value that it is about to write (its `finalize`)."""
        local = self._local

        @pass_environment  # without it Jinja2 would call it once for all for what is constant
        def finalize(_environment: Environment, value: Any) -> Any:
            words: list[str] | None = getattr(local, "words", None)
            if words is None or type(value) is not str or not _PLAIN.fullmatch(value) or value != value.strip():
                return value  # the compiler trims more than the blank: a no-break space, too
            words.append(value)
            return _mark(len(words) - 1)

        return finalize

    def html(self, mjml: str, words: Sequence[str]) -> str:
        """Return the HTML of a filled-in template. Raises NotMjmlError."""
        structure = self._structure(mjml)
        structure.times += 1
        if structure.times == 2:  # a structure that comes but once, a long mail of odd items, is not worth the trial
            structure.learn(words)
        return structure.html(words)


class _Structure:
    """A filled-in template with marks in the place of its words."""

    def __init__(self, mjml: str) -> None:
        self.times = 0
        self._mjml = mjml
        self._pieces: list[str] | None = None
        """The HTML cut at its marks: text, number of a word, text, number … None: not known, or not of use."""
        values = "".join(_VALUE.findall(mjml))
        self._in_values = {int(number) for number in _MARK.findall(values)}

    def html(self, words: Sequence[str]) -> str:
        if self._pieces is None or not all(self._fits(number, words[number]) for number in self._in_values):
            return _compile(_put(_MARK.split(self._mjml), words))
        return _put(self._pieces, words)

    def _fits(self, number: int, word: str) -> bool:
        return number not in self._in_values or _HANDED_ON_IN_VALUES.fullmatch(word) is not None

    def learn(self, words: Sequence[str]) -> None:
        if any(_MARK.search(_HANDED_ON.sub("", tag)) for tag in _TAG.findall(self._mjml)):
            return
        try:
            pieces = _MARK.split(_compile(self._mjml))
            own = [word if self._fits(number, word) else _AWKWARD for number, word in enumerate(words)]
            more = [_MORE_AWKWARD if self._fits(number, _MORE_AWKWARD) else _AWKWARD for number in range(len(words))]
            trials = [own, more, [_AWKWARD] * len(words)]
            same = all(_put(pieces, trial) == _compile(_put(_MARK.split(self._mjml), trial)) for trial in trials)
        except (NotMjmlError, IndexError):
            return
        if same:
            self._pieces = pieces


def _put(pieces: Sequence[str], words: Sequence[str]) -> str:
    """Put the words into the places of their marks, escaped, all at once: none of them holds a line's end."""
    escaped = str(escape("\n".join(words))).split("\n")
    filled = list(pieces)
    filled[1::2] = [escaped[int(number)] for number in pieces[1::2]]
    return "".join(filled)


def _compile(mjml: str) -> str:
    try:
        html = mjml2html(mjml, fonts={}, disable_comments=True)
    except ValueError as error:
        raise NotMjmlError(str(error)) from None
    # The compiler hands on what it does not know, and mail programs show nothing for it.
    if unknown := re.search(r"<(mj-[\w-]*)", html):
        raise NotMjmlError(f"<{unknown[1]}> is unknown, or stands where it cannot")
    return html


def works_on_its_output(template: nodes.Template) -> bool:
    """Say whether a template may handle what it has written itself, and so would meet marks instead of words."""
    kept = (nodes.AssignBlock, nodes.Macro, nodes.CallBlock, nodes.FilterBlock)
    # `super()|upper`: whatever is called may return what was written. Written as it is, `{{ super() }}`, it is no harm.
    called = sum(1 for _ in template.find_all(nodes.Call))
    written = sum(isinstance(part, nodes.Call) for output in template.find_all(nodes.Output) for part in output.nodes)
    return any(template.find(kind) for kind in kept) or called > written
