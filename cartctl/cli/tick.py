"""What `cartctl run-due` does. Free of Typer, so that cron's tick costs no more than its work."""

import os
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from datetime import datetime

from cartctl import wiring
from cartctl.cli.failpoints import failpoint
from cartctl.cli.lines import Lines
from cartctl.cli.logs import LOG
from cartctl.cli.session import State, about_cart, clock, complain, print_json, print_json_with
from cartctl.cli.watch import Watch
from cartctl.domain.identity import mask_email
from cartctl.errors import LockHeldError
from cartctl.jobs import restored, run_due
from cartctl.jobs.rules import Clock
from cartctl.jobs.run_due import RunResult
from cartctl.jobs.sending import Note, SendJob


def tick(
    state: State,
    *,
    limit: int | None = None,
    dry_run: bool = False,
    show_addresses: bool = False,
    at: datetime | None = None,
    as_json: bool = False,
    lock: bool = True,
    confirm_burst: bool = False,
) -> int:
    """Detect, enroll, and send what is due; print what is asked for; return the exit code."""
    now = clock(at)
    watch = Watch(state, ping=not dry_run and at is None, textfile=not dry_run)
    try:
        exit_code = _tick(
            state,
            now,
            watch,
            limit=limit,
            dry_run=dry_run,
            show_addresses=show_addresses,
            at=at,
            as_json=as_json,
            lock=lock,
            confirm_burst=confirm_burst,
        )
    except LockHeldError:
        raise  # the run that is at work tells of itself
    except BaseException:
        watch.ended(now=now(), success=False)
        raise
    watch.ended(now=now(), success=exit_code == 0)
    return exit_code


def _tick(
    state: State,
    now: Clock,
    watch: Watch,
    *,
    limit: int | None,
    dry_run: bool,
    show_addresses: bool,
    at: datetime | None,
    as_json: bool,
    lock: bool,
    confirm_burst: bool,
) -> int:
    rules = wiring.rules(state.loaded)
    if not rules.elsewhere:  # else each transport is looked at by itself
        wiring.check_sending(state.loaded)
    with closing(Lines()) as lines:
        with state.database(at=at, writes=not dry_run) as real, state.lock() if lock and not dry_run else nullcontext():
            watch.started()
            if not rules.elsewhere:
                wiring.refuse_rehearsal(state.loaded, real)
            with real.dry_run() if dry_run else nullcontext(real) as database:
                if news := restored.settle_if_copied(database, now=now()):
                    complain(news)
                settings = state.loaded.settings
                messenger = None if dry_run else wiring.messenger(state.loaded, real, now, rehearses=at is not None)
                result = run_due.run(
                    SendJob(
                        database=database,
                        rules=rules,
                        clock=now,
                        equip=wiring.equip(state.loaded, rules, now, pretends=dry_run),
                        concurrency=settings.sending.concurrency,
                        pause=time.sleep,
                        rate_per_second=settings.sending.rate_per_second,
                        limit=limit,
                        side_by_side=not dry_run,
                        confirm_burst=confirm_burst,
                        intake=wiring.intake(state.loaded, writes=not dry_run),
                        messenger=messenger,
                        on_note=_teller(state, lines, dry_run=dry_run, show_addresses=show_addresses),
                        at=failpoint(os.environ),
                    )
                )
        _tell(state, result, lines, dry_run=dry_run, as_json=as_json)
    return 1 if result.has_problems else 0


def _teller(state: State, lines: Lines, *, dry_run: bool, show_addresses: bool) -> Callable[[Note], None]:
    """Return what is told of each message as it is dealt with: the log at once, the lines for the end."""

    def on_note(note: Note) -> None:
        if dry_run or state.verbose:
            lines.add(note.message_id, _line(note, dry_run=dry_run, show_address=show_addresses and dry_run))
        if not dry_run:
            _log(note)

    return on_note


def _tell(state: State, result: RunResult, lines: Lines, *, dry_run: bool, as_json: bool) -> None:
    """Say what a run did. `lines`: one for each message."""
    holding = [brake.line for brake in result.braking.holding]
    for line in dict.fromkeys([*result.braking.lines, *(holding if dry_run else ())]):
        complain(line)
    for problem in (*result.sent.problems, *result.past_grace):
        complain(problem)
    for remark in result.sent.remarks:
        LOG.tell("remark", text=remark)
    if not dry_run:
        LOG.tell("run-finished", problems=result.sent.problems.total, **result.as_json())
    if as_json and dry_run:
        print_json_with(result.as_json(), "messages", lines)
    elif as_json:
        print_json(result.as_json())
    else:
        say = print if dry_run else state.say
        for line in lines:
            say(line)
        for remark in result.sent.remarks:
            say(remark)
        say(_summary(result, dry_run=dry_run))
    if lines.lost:
        complain(f"what became of each message cannot be printed: is the temporary folder full? ({lines.lost})")


def _line(note: Note, *, dry_run: bool, show_address: bool) -> str:
    to = note.to if show_address else mask_email(note.to)
    outcome = f"would be {note.outcome}" if dry_run else note.outcome
    about = about_cart(note.cart, note.store, show_addresses=show_address)
    return f"message {note.message_id}, {note.sequence}/{note.step} to {to}{about}: {outcome} ({note.why})"


def _log(note: Note) -> None:
    """Tell the log of one message, in ids alone."""
    LOG.tell(
        "message",
        message=note.message_id,
        sequence=note.sequence,
        step=note.step,
        store=note.store,
        cart=note.cart,
        outcome=note.outcome,
        reason=note.why,
    )


def _summary(result: RunResult, *, dry_run: bool) -> str:
    numbers = result.as_json()
    words = [
        f"{numbers['detected']} carts detected",
        f"{numbers['enrolled']} enrolled",
        *([f"{numbers['held_out']} held out"] if numbers["held_out"] else []),
        f"{numbers['sent']} {'would be sent' if dry_run else 'sent'}",
    ]
    words += [f"{numbers[name]} {name}" for name in ("deferred", "retried", "failed", "unknown") if numbers[name]]
    for name in ("skipped", "cancelled"):
        words += [f"{count} {name} ({reason})" for reason, count in numbers[name].items()]
    return ", ".join(words)
