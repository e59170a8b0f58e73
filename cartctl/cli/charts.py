"""Charts as SVG to stand inside a page: matplotlib's, through pandas, in the page's own colours and letters.

Colours are the page's (CSS variables), text is text in its font, so that a chart follows the page into dark mode, onto
paper and into a screen reader's hands. The same data give the same bytes. This module alone brings matplotlib.
"""

import io
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells of its font cache, and cron mails what is told

import matplotlib as mpl  # noqa: E402 - only once it is quiet
import pandas as pd  # noqa: E402
from markupsafe import Markup, escape  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

_WIDE = 320
"""The width of every chart in its own units: about the pixels that a telephone has for it."""
_TEXT, _SMALL = 12, 11
_INK, _QUIET, _LINE, _BAR, _SOFT, _ALARM = (f"#00000{number}" for number in range(1, 7))
_PAGE = {
    _INK: "currentColor",
    _QUIET: "var(--quiet)",
    _LINE: "var(--line)",
    _BAR: "var(--bar)",
    _SOFT: "var(--bar-soft)",
    _ALARM: "var(--alarm)",
}
"""What stands in the drawing for the page's colours: matplotlib knows only its own."""
_ROW = 40
_ALIEN = re.compile(
    r"<!--.*?-->|<defs>.*?</defs>|</?g[^>]*>"
    r'| (?:id|clip-path)="[^"]*"| transform="rotate\(-0 [^"]*"|font-family: [^;"]*; ',
    re.DOTALL,
)
"""What belongs to a file of its own: groups, ids and what refers to them, fonts; and turns by nothing."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One number of a chart. `shown` is how it is written, `value` how long its bar is (0 or more)."""

    name: str
    value: float
    shown: str
    is_open: bool = False
    """Not final yet: drawn as an outline."""
    limit: float | None = None
    """What the value should stay below: a line across its bar."""


@dataclass(frozen=True, slots=True)
class Range:
    """A rate between `low` and `high`, each from -1 to 1."""

    name: str
    value: float
    low: float
    high: float
    shown: str


def bars(title: str, rows: Sequence[Bar], *, full: float = 0) -> Markup:
    """Draw lying bars, each below its name and number. The longest reaches the end, unless it is below `full`."""
    figure, axes = _canvas(_ROW * len(rows))
    frame = pd.DataFrame({"value": [row.value for row in rows]}, index=range(len(rows)))
    frame.plot.barh(y="value", ax=axes, width=0.3, color=_BAR, legend=False)
    most = max([full, *(row.value for row in rows)]) or 1
    axes.set(xlim=(0, most), ylim=(len(rows) - 0.75, -0.75), xlabel="", ylabel="")
    for place, row in enumerate(rows):
        axes.barh(place, most, height=0.3, color=_LINE, zorder=0)
        axes.text(0, place - 0.26, row.name, ha="left", va="baseline", color=_INK)
        axes.text(most, place - 0.26, row.shown, ha="right", va="baseline", color=_INK, weight="bold")
        if row.limit:
            axes.plot([row.limit] * 2, [place - 0.15, place + 0.22], color=_ALARM, linewidth=2, solid_capstyle="butt")
    axes.axis("off")
    return _svg(figure, title, rows)


def columns(title: str, rows: Sequence[Bar]) -> Markup:
    """Draw standing bars, left to right, those that are not final as outlines."""
    figure, axes = _canvas(180, bottom=24, top=18)
    frame = pd.DataFrame({"value": [row.value for row in rows]}, index=range(len(rows)))
    frame.plot.bar(y="value", ax=axes, width=0.72, color=_BAR, legend=False)
    for patch, row in zip(axes.patches, rows, strict=True):
        if row.is_open:
            patch.set(facecolor=_SOFT, edgecolor=_BAR, linewidth=1.2, linestyle=(0, (3, 2)))
    most = max((row.value for row in rows), default=0) or 1
    if len(rows) <= 10:
        for place, row in enumerate(rows):
            axes.text(place, row.value + most * 0.03, row.shown, ha="center", color=_INK, size=_SMALL)
    every = -(-len(rows) // (6 if len(rows) > 7 else 7))
    shown = range((len(rows) - 1) % every, len(rows), every)  # the newest is named
    axes.set(xlim=(-0.6, len(rows) - 0.4), ylim=(0, most), xlabel="", ylabel="")
    axes.set_xticks(list(shown), [rows[place].name for place in shown], rotation=0, color=_QUIET, size=_SMALL)
    axes.tick_params(length=0, pad=5)
    axes.yaxis.set_visible(False)
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_QUIET)
    return _svg(figure, title, rows)


def ranges(title: str, rows: Sequence[Range]) -> Markup:
    """Draw each rate as a mark in its interval, over a line at nothing."""
    figure, axes = _canvas(48 * len(rows) + 22, bottom=22)
    frame = pd.DataFrame({"long": [row.high - row.low for row in rows]}, index=range(len(rows)))
    frame.plot.barh(y="long", left=[row.low for row in rows], ax=axes, width=0.08, color=_BAR, legend=False, zorder=2)
    low, high = min(row.low for row in rows), max(row.high for row in rows)
    low, high = min(low, 0), max(high, 0)
    room = (high - low or 1) * 0.07
    axes.set(xlim=(low - room, high + room), ylim=(len(rows) - 0.5, -0.5), xlabel="", ylabel="")
    for place, row in enumerate(rows):
        axes.plot([0, 0], [place - 0.05, place + 0.45], color=_QUIET, linewidth=1, zorder=1)
        axes.plot(
            [row.value] * 2, [place + 0.14, place + 0.26], color=_BAR, linewidth=6, solid_capstyle="round", zorder=3
        )
        across = axes.get_yaxis_transform()
        axes.text(0, place - 0.18, row.name, ha="left", color=_INK, transform=across)
        axes.text(1, place - 0.18, row.shown, ha="right", color=_INK, weight="bold", transform=across)
    for patch in axes.patches:
        patch.set_y(patch.get_y() + 0.2)
    axes.yaxis.set_visible(False)
    axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(5))
    axes.xaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda share, _: f"{share * 100:g}%".replace("-", "−")))
    axes.tick_params(length=0, pad=5, labelcolor=_QUIET, labelsize=_SMALL)
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_LINE)
    return _svg(figure, title, rows)


def _canvas(height: float, *, top: float = 2, bottom: float = 2) -> tuple[Any, Any]:
    """Return an empty drawing, as high as said in the chart's own units, as matplotlib draws it on every machine."""
    mpl.use("svg")
    mpl.rcdefaults()
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "cartctl", "font.size": _TEXT})
    figure = Figure(figsize=(_WIDE / 72, height / 72), frameon=False)
    axes = figure.add_axes((0.004, bottom / height, 0.992, 1 - (top + bottom) / height), frameon=True)
    axes.set_facecolor("none")
    return figure, axes


def _svg(figure: Any, title: str, rows: Sequence[Bar | Range]) -> Markup:
    """Write the drawing so that it fits into a page: the page's colours and font, no size and no ids."""
    written = io.StringIO()
    figure.savefig(written, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = written.getvalue()
    view = re.search(r'viewBox="([^"]*)"', text)
    assert view, "matplotlib writes one"
    body = text[text.index("<g ") : text.rindex("</svg>")]
    body = _ALIEN.sub("", body)
    for drawn, own in _PAGE.items():
        body = body.replace(drawn, own)
    body = re.sub(r"\s+", " ", body).replace("> <", ">\n<")
    label = escape(f"{title}. {'; '.join(f'{row.name}: {row.shown}' for row in rows)}")
    svg = f'<svg role="img" viewBox="{view[1]}" aria-label="{label}">{body}</svg>'
    return Markup(svg)  # noqa: S704 - matplotlib has escaped the texts of the drawing
