"""The report as a page of its own, and as a mail that says the most important of it: templates/reports/ filled in."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from cartctl.cli.report_sections import sections, tiles
from cartctl.cli.report_words import sentence
from cartctl.cli.session import show_time
from cartctl.domain.times import Bound
from cartctl.jobs.report.asking import Asked
from cartctl.jobs.report.definitions import DEFINITIONS, define
from cartctl.jobs.report.everything import Everything
from cartctl.mail.pages import page_environment


class ReportPages:
    """Fills in the templates of folders, the first of which wins."""

    def __init__(self, folders: Sequence[Path], *, brand: str) -> None:
        self._brand = brand
        self._environment = page_environment(folders)

    def page(self, found: Everything, asked: Asked) -> str:
        """Return the whole report as HTML. The same numbers give the same bytes."""
        return self._fill("report.html", asked, found, tiles=tiles(found), sections=sections(found, asked))

    def mail(self, found: Everything, asked: Asked, *, file: str) -> tuple[str, str, str]:
        """Return subject, HTML and text of the mail that brings the page as a file of this name."""
        all_ = found.report.all
        subject = f"{all_.recovered:,} of {all_.abandoned:,} abandoned carts recovered"
        subject = f"{self._brand}: {subject} ({period(asked)})"
        said = [sentence(lift.sentence) for lift in found.report.lift]
        values = {"subject": subject, "tiles": tiles(found), "said": said, "file": file}
        html = self._fill("mail.html", asked, found, **values)
        return subject, html, self._fill("mail.txt", asked, found, **values)

    def _fill(self, template: str, asked: Asked, found: Everything, **values: Any) -> str:
        return self._environment.get_template(f"reports/{template}").render(
            brand=self._brand,
            period=period(asked),
            made_at=f"{asked.now.day} {asked.now:%B %Y, %H:%M} UTC",
            definitions=define(DEFINITIONS, asked),
            includes_outbox=found.report.includes_outbox and bool(found.steps),
            **values,
        )


def period(asked: Asked) -> str:
    """Name the period as people do: 2 March to 10 May 2026, both days in it."""
    since, until = _day(asked.since), _day(asked.until, is_end=True)
    if since[-5:] == until[-5:] and since[-5:-4] == " ":  # the same year, of two days
        since = since[:-5]
    if since and until:
        return f"Carts left {since} to {until}"
    return f"Carts left since {since}" if since else f"Carts left until {until}" if until else "All carts"


def _day(bound: Bound, *, is_end: bool = False) -> str:
    """Write a bound; a date that ends a period is not in it, so the day before is written."""
    if bound is None:
        return ""
    if isinstance(bound, datetime):
        return show_time(bound)
    last: date = bound - timedelta(days=1) if is_end else bound
    return f"{last.day} {last:%B %Y}"
