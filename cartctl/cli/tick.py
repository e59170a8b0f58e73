"""What `cartctl run-due` does. Free of Typer, so that cron's tick costs no more than its work."""

import os
import time
from contextlib import nullcontext
from datetime import datetime

from cartctl import wiring
from cartctl.cli.failpoints import failpoint
from cartctl.cli.logs import LOG
from cartctl.cli.session import State, about_cart, clock, complain, print_json
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
    with state.database(at=at, writes=not dry_run) as real, state.lock() if lock and not dry_run else nullcontext():
        watch.started()
        if not rules.elsewhere:
            wiring.refuse_rehearsal(state.loaded, real)
        with real.dry_run() if dry_run else nullcontext(real) as database:
            if news := restored.settle_if_copied(database, now=now()):
                complain(news)
            settings = state.loaded.settings
            equip = wiring.equip(state.loaded, rules, now, pretends=dry_run)

            def on_note(note: Note) -> None:
                if dry_run or state.verbose:
                    line = _line(note, dry_run=dry_run, show_address=show_addresses and dry_run)
                    told.append((note.message_id, line))
                if not dry_run:
                    _log(note)

            told: list[tuple[int, str]] = []
            result = run_due.run(
                SendJob(
                    database=database,
                    rules=rules,
                    clock=now,
                    equip=equip,
                    concurrency=settings.sending.concurrency,
                    pause=time.sleep,
                    rate_per_second=settings.sending.rate_per_second,
                    limit=limit,
                    side_by_side=not dry_run,
                    confirm_burst=confirm_burst,
                    intake=wiring.intake(state.loaded, writes=not dry_run),
                    messenger=None if dry_run else wiring.messenger(state.loaded, real, now, rehearses=at is not None),
                    on_note=on_note,
                    at=failpoint(os.environ),
                )
            )
    _tell(state, result, told, dry_run=dry_run, as_json=as_json)
    return 1 if result.has_problems else 0


def _tell(state: State, result: RunResult, told: list[tuple[int, str]], *, dry_run: bool, as_json: bool) -> None:
    """Say what a run did. `told`: a line for each message, with its id."""
    # By message, not by whichever answer came first: two runs of the same shop print the same.
    lines = [line for _, line in sorted(told, key=lambda one: one[0])]
    holding = [brake.line for brake in result.braking.holding]
    for line in dict.fromkeys([*result.braking.lines, *(holding if dry_run else ())]):
        complain(line)
    for problem in (*result.sent.problems, *result.past_grace):
        complain(problem)
    if not dry_run:
        LOG.tell("run-finished", problems=len(result.sent.problems), **result.as_json())
    if as_json:
        print_json(result.as_json() | ({"messages": lines} if dry_run else {}))
    elif dry_run:
        print("\n".join([*lines, _summary(result, dry_run=True)]))
    else:
        state.say("\n".join([*lines, _summary(result, dry_run=False)]))


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
