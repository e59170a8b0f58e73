"""`cartctl preview` and `cartctl send-test`: what a mail will look like, before anybody gets it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cartctl import wiring
from cartctl.cli.options import AsJson, state_of
from cartctl.cli.session import State, clock, complain, print_json
from cartctl.errors import ConfigurationError, UnwritableFileError, UsageError
from cartctl.jobs import preview as job
from cartctl.jobs.preview import Choice, Preview, Surroundings
from cartctl.mail.facts import MailFacts

CartId = Annotated[str | None, typer.Option("--cart", metavar="ID", help="One of your carts, instead of a sample.")]
OfStore = Annotated[str | None, typer.Option("--store", help="Where several stores have such a cart.")]
Locale = Annotated[str | None, typer.Option("--locale", metavar="xx", help="As for a shopper who reads this.")]
Segment = Annotated[str | None, typer.Option("--segment", metavar="S", help="As for a contact of this segment.")]
INDEX = "index.html"


def preview(
    ctx: typer.Context,
    step: Annotated[
        str | None, typer.Argument(metavar="[SEQUENCE/STEP]", help="Which mail; STEP alone will do.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every mail, with a page that shows them all.")] = False,
    cart: CartId = None,
    store: OfStore = None,
    locale: Locale = None,
    segment: Segment = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the files go.")] = Path("preview"),
    browser: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a mail's HTML, text and headers into files, for a sample cart or one of yours. Sends nothing."""
    studio = _Studio(state_of(ctx), cart, store)
    sequences = studio.about.rules.sequences
    locale = job.check_locale(locale)
    if everything == (step is not None):
        known = ", ".join(f"{one.name}/{each.key}" for one in sequences.values() for each in one.steps)
        raise UsageError(f"say which mail, or --all (not both): {known}")
    if step is not None:
        shown = [studio.choice(step, locale, segment)]
    else:
        shown = list(job.choices(sequences, studio.renderer, locale=locale, segment=segment))
        if not shown:
            raise UsageError(f'--segment: no sequence has a segment "{segment}"')
    previews = [studio.render(choice, to=job.SOMEBODY) for choice in shown]
    files = job.written(previews)
    if everything:
        from cartctl.cli.preview_page import page

        files[INDEX] = page(previews)
    _write(out, files)
    for preview_ in previews:
        if preview_.fault:
            complain(preview_.fault)
    first = out / (INDEX if everything else f"{previews[0].choice.name}.html")
    _tell(previews, out, index=first if everything else None, as_json=as_json)
    if browser and first.exists() and not _show(first):
        complain(f"there is no browser here: open {first} in one")
    if any(preview_.fault for preview_ in previews):
        raise typer.Exit(1)


class _Studio:
    """Renders mails for one shopper: a sample, or the owner of a cart."""

    def __init__(self, state: State, cart: str | None, store: str | None) -> None:
        from cartctl.mail.render import Renderer

        loaded = state.loaded
        self.state, self.now = state, clock(None)()
        self.about = Surroundings(
            rules=wiring.rules(loaded), sender=wiring.sender(loaded), base_url=loaded.settings.base_url.rstrip("/")
        )
        self.renderer = Renderer(wiring.template_folders(loaded))
        self.cart = self._of_cart(cart, store) if cart is not None else None

    def choice(self, step: str, locale: str | None, segment: str | None) -> Choice:
        sequence, found = job.choose(self.about.rules.sequences, step)
        own = job.check_locale(self.cart.locale) if self.cart and self.cart.locale else None
        return Choice(
            sequence=sequence,
            step=found,
            locale=locale or own or sequence.language,
            segment=job.check_segment(sequence, segment),
        )

    def render(self, choice: Choice, *, to: str) -> Preview:
        facts = self.cart or job.sample_facts(choice.sequence, self.about, now=self.now)
        return job.render(self.renderer, choice, facts, self.about, to=to, now=self.now)

    def _of_cart(self, cart: str, store: str | None) -> MailFacts:
        with self.state.database(writes=False) as database, database.read() as connection:
            return job.cart_facts(connection, cart, self.about, store=store, now=self.now)


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        except OSError as error:
            raise UnwritableFileError(f"{path}: cannot be written: {error.strerror}") from None


def _tell(previews: list[Preview], out: Path, *, index: Path | None, as_json: bool) -> None:
    if as_json:
        print_json({"index": str(index) if index else None, "mails": [_json(each, out) for each in previews]})
        return
    for each in previews if index is None else []:
        if each.mail:
            print(f"{out / each.choice.name}.html, .txt and .headers.txt: {each.mail.subject}")
    if index:
        print(f"{index}: {sum(each.mail is not None for each in previews)} mails")


def _json(preview_: Preview, out: Path) -> dict[str, Any]:
    choice, mail = preview_.choice, preview_.mail
    return {
        "sequence": choice.sequence.name,
        "step": choice.step.key,
        "locale": choice.locale,
        "segment": choice.segment,
        "fault": preview_.fault,
        "subject": mail.subject if mail else None,
        "bytes": len(mail.html.encode()) if mail else None,
        "headers": job.headers(mail) if mail else None,
        "files": [f"{out / choice.name}{ending}" for ending in (".html", ".txt", ".headers.txt")] if mail else [],
    }


def _show(path: Path) -> bool:
    import webbrowser

    return webbrowser.open(path.resolve().as_uri())


def send_test(
    ctx: typer.Context,
    step: Annotated[str, typer.Argument(metavar="[SEQUENCE/]STEP", help="Which mail.")],
    to: Annotated[str, typer.Option("--to", metavar="ADDRESS", help="Your own address.")],
    cart: CartId = None,
    store: OfStore = None,
    locale: Locale = None,
    segment: Segment = None,
    as_json: AsJson = False,
) -> None:
    """Send one mail, marked [Test], to an address of yours, as run-due would send it. Counts nowhere."""
    from cartctl.jobs import send_test as sending

    state = state_of(ctx)
    studio = _Studio(state, cart, store)
    choice = studio.choice(step, job.check_locale(locale), segment)
    carrier = choice.sequence.transport
    wiring.check_sending(state.loaded, carrier)
    rules = studio.about.rules
    with state.database(writes=False) as database:
        wiring.refuse_rehearsal(state.loaded, database, carrier)
        key = wiring.hashing_key(database)
        to = sending.check_recipient(database, to, rules=rules, sequence=choice.sequence.name, hashing_key=key)
    rendered = studio.render(choice, to=to)
    if rendered.mail is None:
        complain(rendered.fault)
        raise typer.Exit(1)
    transport = wiring.make_transport(state.loaded, key, clock(None), carrier)
    told = sending.run(rendered.mail, transport, now=studio.now)
    if as_json:
        print_json(told.as_json())
    else:
        (print if told.accepted else complain)(told.text)
    if told.misconfigured:
        raise typer.Exit(ConfigurationError.exit_code)
    if not told.accepted:
        raise typer.Exit(1)
