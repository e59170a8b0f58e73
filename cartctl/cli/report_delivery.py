"""Where the HTML report goes: into a file, or by mail to whoever reads it on Mondays."""

from datetime import date, datetime
from pathlib import Path

from cartctl import wiring
from cartctl.cli.report_files import write_page
from cartctl.cli.report_page import ReportPages
from cartctl.cli.session import State, complain
from cartctl.domain.identity import mask_email
from cartctl.domain.times import Bound
from cartctl.errors import UsageError
from cartctl.jobs import mail_report, restored
from cartctl.jobs.mail_report import Became, Mailed
from cartctl.jobs.report import everything
from cartctl.jobs.report.asking import Asked
from cartctl.jobs.rules import Clock, Rules
from cartctl.mail.message import Attachment, OutgoingMessage
from cartctl.store.database import EngineDatabase


def deliver(
    state: State,
    database: EngineDatabase,
    rules: Rules,
    asked: Asked,
    *,
    clock: Clock,
    file: Path | None,
    to: str | None,
) -> int:
    """Write the page to `file`, mail it to the normalised address `to`, or both; return the exit code."""
    if to is not None:
        _check(state, database, rules, to, asked.now)
    pages = ReportPages(wiring.template_folders(state.loaded), brand=_brands(rules))
    found = everything.run(database, rules=rules, asked=asked)
    page = pages.page(found, asked)
    if file is not None:
        write_page(state.loaded, file, page)
        state.say(f"{file} written")
    if to is None:
        return 0
    name = f"report-{asked.now:%Y-%m-%d}.html"
    subject, html, text = pages.mail(found, asked, file=name)
    sender = wiring.sender(state.loaded)
    _, hashing = wiring.secret_keys(state.loaded, database, asked.now)
    mail = OutgoingMessage(
        id=0,
        sequence="report",
        # A bound such as 30d is another one each second: of the period its days are the name.
        step=mail_report.name_of(hashing, to, since=_day(asked.since), until=_day(asked.until) or asked.now.date()),
        sender=sender.sender,
        reply_to=sender.reply_to,
        to=to,
        subject=subject,
        html=html,
        text=text,
        headers={"Auto-Submitted": "auto-generated"},  # RFC 3834, 5: no holiday notice answers it
        attachments=[Attachment(name, "text/html", page.encode())],
        date=asked.now,
    )
    transport = wiring.make_transport(state.loaded, hashing, clock)
    return _tell(state, to, mail_report.run(database, mail, transport=transport, hashing_key=hashing, now=asked.now))


def _check(state: State, database: EngineDatabase, rules: Rules, to: str, now: datetime) -> None:
    """Refuse what `run-due` refuses."""
    wiring.check_sending(state.loaded)
    wiring.refuse_rehearsal(state.loaded, database)
    if rules.test_mode and to not in rules.test_recipients:
        raise UsageError('--email: mode = "test", and this address is none of test_recipients: no mail goes to it')
    if news := restored.settle_if_copied(database, now=now):
        complain(news)


def _brands(rules: Rules) -> str:
    return ", ".join(dict.fromkeys(store.brand for store in rules.stores.values())) or rules.default_store.brand


def _day(bound: Bound) -> date | None:
    return bound.date() if isinstance(bound, datetime) else bound


def _tell(state: State, to: str, mailed: Mailed) -> int:
    """Say what became of the mail; return the exit code."""
    match mailed.became:
        case Became.SENT:
            state.say(f"report mailed to {mask_email(to)}")
            return 0
        case Became.SENT_BEFORE:
            state.say(f"the report of this period was mailed to {mask_email(to)} before; nothing was sent")
            return 0
        case Became.SUPPRESSED:
            complain("the report was not mailed: this address is suppressed (cartctl suppress list)")
        case Became.DOUBTFUL:
            complain(
                f"the report may or may not have been mailed ({mailed.why}), and is not mailed again: "
                "report --html FILE writes it into a file"
            )
        case Became.FAILED:
            complain(f"the report was not mailed: {mailed.why}. The same command tries again")
    return 1
