"""What the HTML report says, section by section: numbers as they are written, tables, and the charts before them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from markupsafe import Markup

from cartctl.cli.charts import Bar, Range, bars, columns, ranges
from cartctl.cli.report_words import NONE, amount, beginning, long, money, percent, points, rate, sentence, share, spans
from cartctl.domain.money import Money
from cartctl.jobs.report.asking import Asked, By
from cartctl.jobs.report.everything import Everything
from cartctl.jobs.report.results import Counted, Delivered, Lift, StepFigures, Takings, Tier

COMPLAINT_LIMIT = 0.003
"""Gmail's (support.google.com/a/answer/81126)."""
_STAGES = (
    "Carts are recovered with a click, without one, and without a mail: the stages after “Abandoned” are parts of the "
    "abandoned carts, and not of each other."
)
_TIERS = (
    "Who clicked and bought might have bought anyway, and who bought without a click may have been reminded: the truth "
    "is what the comparison below shows."
)
_NO_HOLDOUT = (
    "With holdout = 10 in a sequence.toml one contact in ten is never written to, and this section compares the two."
)
_PERIODS = {By.DAY: "day", By.WEEK: "week", By.MONTH: "month"}


@dataclass(frozen=True, slots=True)
class Number:
    """A number of a tile, and beside it what it is a number of."""

    shown: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Tile:
    name: str
    numbers: Sequence[Number]
    note: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table. `of` stands above its name, small."""

    name: str
    cells: Sequence[str]
    of: str = ""
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """A table, beside the chart of its numbers where there is one."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Row]
    chart: Markup | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    title: str
    said: str = ""
    notes: Sequence[str] = ()
    parts: Sequence[Part] = ()
    words: Sequence[str]
    """Whose definitions stand under it."""


def tiles(found: Everything) -> list[Tile]:
    """Return the headline numbers."""
    all_ = found.report.all
    nets = [Number(amount(takings.net), currency) for currency, takings in all_.bought.revenue.items()]
    grosses = ", ".join(money(takings.gross) for takings in all_.bought.revenue.values())
    open_ = f"; {all_.immature:,} are not final" if all_.immature else ""
    return [
        Tile(
            "Abandoned carts",
            [Number(f"{all_.abandoned:,}")],
            "worth " + ", ".join(money(left) for left in all_.left.values())
            if all_.left
            else "nothing was left behind",
        ),
        Tile("Recovered carts", [Number(f"{all_.recovered:,}")], f"of {all_.abandoned:,} abandoned{open_}"),
        Tile("Recovery rate", [Number(rate(all_.recovery_rate))], "of the same carts, by the day they were abandoned"),
        Tile(
            "Recovered revenue, net",
            nets or [Number("0")],
            f"gross {grosses}" if grosses else "no recovered cart brought an order",
        ),
    ]


def sections(found: Everything, asked: Asked) -> list[Section]:
    return [
        _funnel(found),
        _periods(found, asked),
        _tiers(found),
        _lift(found.report.lift),
        _steps(found.steps),
        _times(found),
        _deliverability(found),
    ]


def _funnel(found: Everything) -> Section:
    all_, reach = found.report.all, found.reach
    stages = (
        ("Carts", all_.carts),
        ("Abandoned", all_.abandoned),
        ("Written to", reach.written_to),
        ("Clicked", reach.clicked),
        ("Recovered", all_.recovered),
    )
    chart = bars("Carts at each stage", [Bar(name, count, f"{count:,}") for name, count in stages])
    rows = [
        Row(name, [f"{count:,}", share(count, all_.abandoned) if name != "Carts" else ""]) for name, count in stages
    ]
    return Section(
        title="From cart to order",
        notes=[_STAGES],
        parts=[Part("Carts at each stage", ["stage", "carts", "of abandoned"], rows, chart)],
        words=["carts", "abandoned", "written to", "clicked carts", "recovered"],
    )


def _periods(found: Everything, asked: Asked) -> Section:
    by = asked.by or By.WEEK
    word = _PERIODS[by]
    filled = _without_gaps(found.report.by_period, by)
    caption = f"Recovery by {word}"
    if not filled:
        return Section(title=caption, said="No cart was abandoned in this time.", words=["recovery rate", "immature"])
    several = len({begins.year for begins in filled}) > 1
    chart = columns(
        f"{caption}, percent of abandoned carts",
        [
            Bar(beginning(begins, by), row.recovery_rate or 0, percent(row.recovery_rate), row.immature > 0)
            for begins, row in filled.items()
        ],
    )
    rows = [
        Row(
            beginning(begins, by, with_year=several),
            [f"{row.abandoned:,}", f"{row.recovered:,}", rate(row.recovery_rate)],
            is_open=row.immature > 0,
        )
        for begins, row in filled.items()
    ]
    head = [f"{word} of" if by is not By.DAY else "day", "abandoned", "recovered", "rate"]
    notes = [f"Outlined {word}s are not final: their carts may still be recovered."] if _any_open(filled) else []
    return Section(
        title=caption,
        notes=notes,
        parts=[Part(f"{word.capitalize()} by {word}", head, rows, chart)],
        words=["recovery rate", "immature"],
    )


def _tiers(found: Everything) -> Section:
    all_ = found.report.all
    tiers = (("Clicked, then bought", all_.clicked), ("Sent, then bought", all_.sent), ("Bought at all", all_.bought))
    currencies = list(all_.bought.revenue)
    rows = [Row(name, [f"{tier.orders:,}", *(_net(tier, currency) for currency in currencies)]) for name, tier in tiers]
    rows += [
        Row("Because of the mails", [_incremental(lift), *(NONE for _ in currencies)], of=lift.sequence)
        for lift in found.report.lift
    ]
    head = ["counted as", "orders", *(f"net, {name}" for name in currencies)]
    chart = bars("Orders of recovered carts", [Bar(name, tier.orders, f"{tier.orders:,}") for name, tier in tiers])
    return Section(
        title="What may be credited to the mails",
        notes=[_TIERS],
        parts=[Part("Orders and net revenue", head, rows, chart)],
        words=["clicked", "sent, then bought", "because of the mails", "revenue"],
    )


def _lift(lifts: Sequence[Lift]) -> Section:
    title, words = "What came back because of the mails", ["because of the mails"]
    if not lifts:
        return Section(
            title=title,
            said="No holdout is set, so nobody knows.",
            notes=[_NO_HOLDOUT],
            words=words,
        )
    measured = [
        Range(
            lift.sequence if len(lifts) > 1 else "Difference, and its 95% interval",
            lift.difference,
            lift.low,
            lift.high,
            f"{points(lift.low)} to {points(lift.high)}",
        )
        for lift in lifts
        if lift.difference is not None and lift.low is not None and lift.high is not None
    ]
    rows = [
        Row(
            name,
            [f"{arm.contacts:,}", f"{arm.converted:,}", rate(arm.rate)],
            of=lift.sequence if len(lifts) > 1 else "",
        )
        for lift in lifts
        for name, arm in (("May be written to", lift.treated), ("Never written to", lift.holdout))
    ]
    chart = ranges("Recovered because of the mails, of 100 contacts, and its interval", measured) if measured else None
    arms = [arm for lift in lifts for arm in (lift.treated, lift.holdout)]
    young, drawn = sum(arm.immature for arm in arms), sum(arm.contacts for arm in arms)
    return Section(
        title=title,
        said=sentence(lifts[0].sentence) if len(lifts) == 1 else "",
        notes=[
            *(f"{lift.sequence}: {lift.sentence}." for lift in lifts if len(lifts) > 1),
            *([f"{young:,} of {drawn:,} contacts may still come back."] if young else []),
        ],
        parts=[Part("Contacts by lot", ["contacts", "in all", "bought", "rate"], rows, chart)],
        words=words,
    )


def _steps(steps: Sequence[StepFigures]) -> Section:
    title, words = "Revenue by step", ["sent", "sent, then bought", "revenue", "per recipient", "late orders"]
    if not steps:
        return Section(title=title, said="Nothing was sent for these carts.", words=words)
    several = len({step.count.sequence for step in steps}) > 1
    orders = [(step, step.count.recovered.orders) for step in steps]
    chart = bars(
        "Orders after each step", [Bar(_name(step, several=several), count, f"{count:,}") for step, count in orders]
    )
    rows = [
        _step(
            step, [f"{step.count.sent:,}", f"{count:,}", rate(step.count.rate), f"{step.count.late:,}"], several=several
        )
        for step, count in orders
    ]
    currencies = sorted({currency for step in steps for currency in step.count.recovered.revenue})
    young, sent = (sum(getattr(step.count, name) for step in steps) for name in ("immature", "sent"))
    return Section(
        title=title,
        notes=[f"After {young:,} of {sent:,} messages orders may still come."] if young else [],
        parts=[
            Part("Orders after each step", ["step", "sent", "bought", "rate", "late orders"], rows, chart),
            *(_revenue(steps, currency, several=several) for currency in currencies),
        ],
        words=words,
    )


def _revenue(steps: Sequence[StepFigures], currency: str, *, several: bool) -> Part:
    """One currency's part: a bar never stands beside one of other money."""
    nothing = Takings(Money.from_minor(0, currency), Money.from_minor(0, currency))
    takings = [step.count.recovered.revenue.get(currency, nothing) for step in steps]
    chart = bars(
        f"Net revenue by step, {currency}",
        [
            Bar(_name(step, several=several), max(0.0, float(one.net.amount)), amount(one.net))
            for step, one in zip(steps, takings, strict=True)
        ],
    )
    rows = [
        _step(
            step,
            [amount(one.gross), amount(one.net), amount(step.per_recipient.get(currency, nothing.net))],
            several=several,
        )
        for step, one in zip(steps, takings, strict=True)
    ]
    return Part(f"Revenue by step, {currency}", ["step", "gross", "net", "per recipient"], rows, chart)


def _step(step: StepFigures, cells: Sequence[str], *, several: bool) -> Row:
    return Row(step.count.step, cells, step.count.sequence if several else "")


def _name(step: StepFigures, *, several: bool) -> str:
    return f"{step.count.sequence}/{step.count.step}" if several else step.count.step


def _times(found: Everything) -> Section:
    title, words = "Time to recovery", ["time to recovery"]
    times = found.times
    if times.median is None or times.lower_quartile is None or times.upper_quartile is None:
        return Section(title=title, said="No cart was recovered in this time.", words=words)
    said = (
        f"Half of the recovered carts came back within {long(times.median)}; the middle half between "
        f"{long(times.lower_quartile)} and {long(times.upper_quartile)}."
    )
    names = spans(times.within)
    counts = list(zip(names, times.within.values(), strict=True))
    chart = bars("Recovered carts by the time they took", [Bar(name, count, f"{count:,}") for name, count in counts])
    rows = [Row(name, [f"{count:,}", share(count, times.carts)]) for name, count in counts]
    caption = "Recovered carts by the time they took"
    return Section(
        title=title, said=said, parts=[Part(caption, ["after", "carts", "of them"], rows, chart)], words=words
    )


def _deliverability(found: Everything) -> Section:
    title = "Deliverability"
    words = ["delivered", "rates", "bounced", "complained", "unsubscribed", "clicks", "opened"]
    all_ = found.delivery.all
    if not all_.accepted:
        return Section(title=title, said="Nothing was sent for these carts.", words=words)
    parts = found.delivery.by_transport
    return Section(
        title=title,
        notes=[_BASIS[all_.basis]],
        parts=[
            _delivered(name if len(parts) > 1 else "", row)
            for name, row in (parts.items() if len(parts) > 1 else (("", all_),))
        ],
        words=words if all_.opened or all_.opened_by_machine else words[:-1],
    )


_BASIS = {
    "delivered": "Rates are of delivered messages, that of bounces of accepted ones.",
    "accepted": "The provider told of no delivery, so rates are of accepted messages: import its events to know more.",
    "both": "Rates are of delivered messages; of accepted ones for bounces, and where a transport told of no delivery.",
}


def _delivered(transport: str, row: Delivered) -> Part:
    caption = f"Messages over {transport}" if transport else "Messages"
    counts = [("Accepted", row.accepted, ""), ("Delivered", row.delivered, share(row.delivered, row.accepted))]
    counts += [
        (words, getattr(row, name), share(getattr(row, name), row.whole(name), decimals=2))
        for words, name in (
            *(("Bounced", "bounced"), ("Complained", "complained"), ("Unsubscribed", "unsubscribed")),
            *(("Clicked", "clicked"), ("Clicked, raw", "clicked_raw")),
        )
    ]
    if row.opened or row.opened_by_machine:
        counts += [("Opened", row.opened, share(row.opened, row.reached, decimals=2))]
        counts += [("Opened by machines", row.opened_by_machine, share(row.opened_by_machine, row.reached, decimals=2))]
    bad = (("Bounced", "bounced", None), ("Unsubscribed", "unsubscribed", None))
    chart = bars(
        f"{caption}: what went wrong, percent",
        [
            Bar(
                words,
                (row.rate(name) or 0) * 100,
                share(getattr(row, name), row.whole(name), decimals=2),
                limit=limit,
            )
            for words, name, limit in (*bad, ("Complained (limit 0.30%)", "complained", COMPLAINT_LIMIT * 100))
        ],
        full=2,
    )
    return Part(
        caption,
        ["what became of them", "messages", "rate"],
        [Row(name, [f"{count:,}", told]) for name, count, told in counts],
        chart,
    )


def _net(tier: Tier, currency: str) -> str:
    takings = tier.revenue.get(currency)
    return amount(takings.net) if takings else NONE


def _incremental(lift: Lift) -> str:
    return "too early" if lift.incremental is None or lift.is_early else f"about {lift.incremental:,.0f}"


def _any_open(filled: Mapping[date, Counted]) -> bool:
    return any(row.immature for row in filled.values())


def _without_gaps(found: Mapping[date, Counted], by: By) -> dict[date, Counted]:
    """Return every period from the first with a cart to the last: one without any is one, too."""
    if not found:
        return {}
    filled, begins = {}, min(found)
    while begins <= max(found):
        filled[begins] = found.get(begins, Counted())
        begins = by.begins(begins + timedelta(days={By.DAY: 1, By.WEEK: 7, By.MONTH: 31}[by]))
    return filled
