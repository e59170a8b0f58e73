"""A step's templates and one cart's facts in, subject, HTML and text out.

Templates are Jinja2: strict (a name that does not exist is an error, not a blank), sandboxed, and escaped in the
HTML part. The HTML part is written in MJML and compiled after Jinja2 has filled it in: see `mail.mjml`, which compiles
mails that differ in their words alone only once.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from copy import copy
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import NumberPattern
from jinja2 import FileSystemLoader, StrictUndefined, Template, TemplateNotFound, TemplateSyntaxError, nodes
from jinja2 import TemplateError as JinjaError
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from cartctl.domain.carts import Item
from cartctl.domain.colours import standing_out, text_on
from cartctl.domain.money import UNKNOWN_CURRENCY, Money, exponent
from cartctl.domain.sequences import Sequence as MailSequence
from cartctl.domain.sequences import Step
from cartctl.domain.variables import UnresolvedError, resolve
from cartctl.errors import CostlyTemplateError, TemplateError
from cartctl.mail.bounds import check_product, cpu_limit, joined
from cartctl.mail.facts import MailFacts, Rendered
from cartctl.mail.languages import MAILS, Languages, direction
from cartctl.mail.links import VALID_FOR
from cartctl.mail.mjml import Compiler, NotMjmlError, works_on_its_output
from cartctl.mail.texts import SUBJECT, TextFiles, Texts
from cartctl.suggest import did_you_mean

SHOWN_ITEMS = 50
"""More lines than this are counted, not shown."""
MAX_HTML_BYTES = 100_000
"""Gmail clips what is larger than 102 kB, and the way out of the list with it: fewer lines are shown then."""
MAX_NAME, MAX_VARIANT = 150, 100
"""Characters; longer ones end with `…`."""
_COLOUR = "#1f4fd8"
_CARD, _DARK_CARD = "#ffffff", "#1e252f"
"""What shared/layout.mjml shows buttons and links on."""
COSTLY_TRIES = 3
"""One odd cart must not hold back the others' mails, nor a template at fault take its time of each of them."""

_COSTLY = {MemoryError: "needs more memory than there is", RecursionError: "includes itself, or goes round otherwise"}


class Renderer:
    """Renders steps from template folders, the first of which wins."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = [str(folder) for folder in folders]
        self._files = TextFiles(folders)
        self._languages = Languages(folders, MAILS)
        self._compiler = Compiler()
        self._environment = _Environment(
            loader=FileSystemLoader(self._folders, encoding="utf-8-sig"),
            undefined=StrictUndefined,
            autoescape=lambda name: bool(name and name.endswith(".mjml")),
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            finalize=self._compiler.set_aside,
        )
        self._subject = lru_cache(maxsize=256)(self._environment.from_string)  # Jinja2 keeps compiled files only
        self._costly = Counter[str]()

    def render(self, sequence: MailSequence, step: Step, facts: MailFacts) -> Rendered:
        """Render one step. Raises TemplateError naming the template, the line and the fault."""
        texts = self._files.choose(sequence.name, step.key, facts.segment, facts.locale, sequence.language)
        where = texts.where
        if self._costly[where] == COSTLY_TRIES:
            raise CostlyTemplateError(f"took too much {COSTLY_TRIES} times: this run tries no more", template=where)
        try:
            with cpu_limit():
                return self._render(texts, sequence, step, facts)
        except CostlyTemplateError as error:
            self._costly[where] += 1
            raise error if error.template else CostlyTemplateError(error.fault, template=f"{where}.mjml") from None

    def locales(self, sequence: MailSequence, step: Step) -> tuple[str, ...]:
        """Return the locales that a step has texts for beside those in the sequence's own language."""
        return self._files.locales(sequence, step)

    def misnamed(self, sequence: MailSequence, step: Step) -> dict[str, str]:
        """Return names of texts that nobody gets, and what they should be."""
        return self._files.misnamed(sequence, step)

    def has_words(self, locale: str) -> bool:
        """Say whether what all mails share can be said in a language: else it is said in English."""
        return self._languages.chosen(locale).partition("_")[0] == locale.partition("_")[0]

    def _render(self, texts: Texts, sequence: MailSequence, step: Step, facts: MailFacts) -> Rendered:
        """Show as many lines of the cart as the size allows: a line more is much the same as the one before."""
        values = self.values(texts, step, facts)
        try:
            values |= resolve(sequence.variables, values, now=facts.sent_at, zone=facts.zone)
        except UnresolvedError as error:
            raise TemplateError(str(error), template=texts.where) from None
        mail = self._filled(texts, step, values)
        while (size := len(mail.html.encode())) > MAX_HTML_BYTES and len(values["items"]) > 1:
            kept = min(len(values["items"]) * MAX_HTML_BYTES // size, len(values["items"]) - 1)
            items, more = values["items"][: max(1, kept)], values["items"][max(1, kept) :]
            values |= {"items": items, "more_items": values["more_items"] + len(more)}
            mail = self._filled(texts, step, values)
        return mail

    def _filled(self, texts: Texts, step: Step, values: Mapping[str, Any]) -> Rendered:
        subject = "" if texts.has_subject else self._step_subject(texts, step, values)
        mjml, words = self._fill_mjml(texts.where, values)
        text = self._fill(f"{texts.where}.txt", lambda: self._environment.get_template(f"{texts.where}.txt"), values)
        if texts.has_subject:
            first, _, text = text.partition("\n")
            subject = first.removeprefix(SUBJECT)
        try:
            html = self._compiler.html(mjml, words)
        except NotMjmlError as error:
            raise TemplateError(f"not valid MJML: {error}", template=f"{texts.where}.mjml") from None
        return Rendered(" ".join(subject.split()), html, text.strip() + "\n")

    def values(self, texts: Texts, step: Step, facts: MailFacts) -> dict[str, Any]:
        """Return what a template is handed, but for the sequence's own variables."""
        locale = _locale(facts.locale)
        said_in = locale if locale.language == _locale(texts.locale).language else _locale(texts.locale)
        known = {
            name: _one_line(value) if isinstance(value, str) else value for name, value in facts.attributes.items()
        }
        return {
            **known,
            **shown_cart(facts.items, facts.currency, facts.total, facts.locale),
            **_appearance(texts.locale, facts.colour),
            "step": step.key,
            "say": self._saying(texts.locale),
            "segment": facts.segment,
            "first_name": _greetable(facts.first_name),
            "business_name": _greetable(facts.business_name),
            "brand": facts.brand,
            "shop_url": facts.shop_url,
            "logo": facts.logo,
            "postal_address": facts.postal_address,
            "support": facts.support,
            "support_link": f"mailto:{facts.support}" if "@" in facts.support else facts.support,
            "support_name": facts.support.removeprefix("https://").rstrip("/"),
            "recovery_link": facts.recovery_link,
            "unsubscribe_link": facts.unsubscribe_link,
            "link_valid_until": _date(facts.link_valid_until.date(), said_in),
            "link_valid_days": VALID_FOR.days,
            "coupon": facts.coupon,
        }

    def _saying(self, locale: str) -> Callable[..., str]:
        """Return what gives templates the words that all mails of a language share."""
        words = self._languages.words(self._languages.chosen(locale))

        def say(key: str, **filled: Any) -> str:
            if key not in words:
                raise JinjaError(f'there is no word "{key}" in {MAILS}{did_you_mean(key, words)}')
            return words[key].format_map(filled)

        return say

    def _step_subject(self, texts: Texts, step: Step, values: Mapping[str, Any]) -> str:
        if texts.needs_subject:
            raise TemplateError(f"has no subject: begin it with a line `{SUBJECT} …`", template=f"{texts.where}.txt")
        return self._fill(f"{texts.where}: subject", lambda: self._subject(step.subject), values)

    def _fill_mjml(self, where: str, values: Mapping[str, Any]) -> tuple[str, list[str]]:
        """Fill in, with marks in the place of the words, unless a template would meet marks itself."""
        filled: Callable[[], str] = lambda: self._fill(  # noqa: E731 - done once or twice
            f"{where}.mjml", lambda: self._environment.get_template(f"{where}.mjml"), values
        )
        if not self._environment.works_on_its_output:
            with self._compiler.setting_aside() as words:
                mjml = filled()
            if not self._environment.works_on_its_output:  # it may just have been read
                return mjml, words
        return filled(), []

    def _fill(self, where: str, template: Callable[[], Template], values: Mapping[str, Any]) -> str:
        try:
            return joined(template().generate(values))
        except TemplateNotFound as error:
            fault = f"no such template in {' or '.join(self._folders)}"
            raise TemplateError(fault, template=str(error.name)) from None
        except TemplateSyntaxError as error:
            raise TemplateError(error.message or "wrong", template=error.name or where, line=error.lineno) from None
        except Exception as error:  # noqa: BLE001 - a template can raise anything (division by zero, a wrong filter)
            template_, line = self._place(error)
            if isinstance(error, CostlyTemplateError):
                raise CostlyTemplateError(error.fault, template=template_ or where, line=line) from None
            for kind, costly in _COSTLY.items():
                if isinstance(error, kind):
                    raise CostlyTemplateError(costly, template=template_ or where, line=line) from None
            fault = str(error) if isinstance(error, JinjaError) else f"{type(error).__name__}: {error}"
            raise TemplateError(fault, template=template_ or where, line=line) from None

    def _place(self, error: Exception) -> tuple[str, int | None]:
        """Name the template and the line, of an included file too: Jinja2 writes its own frames into the traceback."""
        trace = error.__traceback__
        place: tuple[str, int | None] = ("", None)
        while trace is not None:
            file = trace.tb_frame.f_code.co_filename
            for folder in self._folders:
                if file.startswith(f"{folder}/"):
                    place = (file.removeprefix(f"{folder}/"), trace.tb_lineno)
            trace = trace.tb_next
        return place


class _Environment(SandboxedEnvironment):
    """Looks first for what is nearly always meant: `item.name` is an entry of ours, of plain data."""

    works_on_its_output = False
    """Whether any template that was read so far does."""
    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        check_product(operator, left, right)
        return super().call_binop(context, operator, left, right)

    def _generate(self, source: nodes.Template, *args: Any, **more: Any) -> str:  # a hook of Jinja2's, in its words
        self.works_on_its_output |= works_on_its_output(source)
        return super()._generate(source, *args, **more)

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """Give a template a dict, where Jinja2 has a ChainMap: each `include` of each mail copies it."""
        return {**self.globals, **(d or {})}

    def getattr(self, obj: Any, attribute: str) -> Any:
        if type(obj) is dict and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


@lru_cache(maxsize=256)
def _appearance(locale: str, colour: str) -> dict[str, Any]:
    """Return direction and colours: as markup, which belongs to a mail's structure and is compiled with it."""
    colour = colour or _COLOUR
    dark = standing_out(colour, _DARK_CARD, 3)  # WCAG 2.2, 1.4.11: what is no text
    colours = {
        "button": colour,
        "on_button": text_on(colour),
        "link": standing_out(colour, _CARD, 4.5),
        "dark_button": dark,
        "on_dark_button": text_on(dark),
        "dark_link": standing_out(colour, _DARK_CARD, 4.5),
    }
    sides = {"direction": direction(locale), "start": "left", "end": "right"}
    if sides["direction"] == "rtl":
        sides |= {"start": "right", "end": "left"}
    return {
        "language": locale.replace("_", "-"),
        "colours": {name: Markup(each) for name, each in colours.items()},  # noqa: S704 - six hexadecimal digits
        **{name: Markup(side) for name, side in sides.items()},  # noqa: S704 - our own words
    }


def shown_cart(items: Sequence[Item], currency: str, total: Money, locale_name: str) -> dict[str, Any]:
    """Return what mails and pages show of a cart: `items`, `more_items`, `item_count` and `total`."""
    locale = _locale(locale_name)
    lines = [item for item in items if item.quantity]
    return {
        "items": [_item(item, currency, locale) for item in lines[:SHOWN_ITEMS]],
        "more_items": max(0, len(lines) - SHOWN_ITEMS),
        "item_count": sum(item.quantity for item in lines),
        "total": price(total, locale) if total.amount else "",
    }


def _item(item: Item, currency: str, locale: Locale) -> dict[str, Any]:
    unit = None if item.unit_price is None else Money.of(item.unit_price, currency)
    return {
        "name": _shortened(_one_line(item.name), MAX_NAME),
        "variant": _shortened(_one_line(item.variant), MAX_VARIANT),
        "quantity": item.quantity,
        "unit_price": price(unit, locale) if unit else "",
        "line_total": price(unit * item.quantity, locale) if unit else "",
        "image_url": item.image_url,
        "product_url": item.product_url,
    }


_NOT_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


def _one_line(text: str) -> str:
    """Keep what an export holds from breaking the mail: line ends, and characters that no XML may hold."""
    return " ".join(_NOT_XML.sub(" ", text).split())


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def _greetable(first_name: str) -> str:
    """Return the name, or nothing where it is none: with it whoever fills in a checkout could write to a stranger."""
    name = _one_line(first_name)
    return "" if len(name) > 40 or re.search(r"[/:@]|\w\.\w\w", name) else name


@lru_cache(maxsize=256)
def _locale(name: str) -> Locale:
    """Return a locale that Babel knows: the cart's, its language, else English."""
    for candidate in (name, name.partition("_")[0]):
        try:
            return Locale.parse(candidate or "en")
        except (UnknownLocaleError, ValueError):
            continue
    return Locale.parse("en")


@lru_cache(maxsize=4096)
def price(money: Money, locale: Locale) -> str:
    """Write an amount as the locale does, with exactly the decimals of the currency.

    Where the currency is unknown (XXX) the number stands alone.
    """
    symbol = None if money.currency == UNKNOWN_CURRENCY else money.currency
    text = _pattern(money.currency, locale).apply(money.amount, locale, currency=symbol, currency_digits=False)
    # CLDR's currency spacing, which Babel leaves out: KWD 1.500, but $1.50.
    return re.sub(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])", "\N{NO-BREAK SPACE}", text)


@lru_cache(maxsize=256)
def _pattern(currency: str, locale: Locale) -> NumberPattern:
    known = currency != UNKNOWN_CURRENCY
    pattern: NumberPattern = copy(locale.currency_formats["standard"] if known else locale.decimal_formats[None])
    # Babel would take the decimals from CLDR, which differs from ISO 4217 (IQD, HUF): ours are set instead.
    pattern.frac_prec = (exponent(currency),) * 2
    return pattern


@lru_cache(maxsize=256)
def _date(day: date, locale: Locale) -> str:
    return format_date(day, format="long", locale=locale)
