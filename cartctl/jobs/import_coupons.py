"""Import one file of unique coupon codes. The next message whose step names that coupon takes one."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from cartctl.domain.sequences import Sequence
from cartctl.errors import InputFileError
from cartctl.importers import coupons as importer
from cartctl.importers.coupons import CouponCode
from cartctl.importers.csvfile import CsvFile
from cartctl.importers.format import Source
from cartctl.importers.records import Ignored, Note, RowError
from cartctl.jobs.import_lines import import_lines
from cartctl.jobs.importing import ImportResult, Options
from cartctl.store import coupons
from cartctl.store.coupons import Code
from cartctl.store.database import EngineDatabase
from cartctl.suggest import did_you_mean


def run(
    database: EngineDatabase,
    path: Path,
    *,
    options: Options,
    coupon: str,
    sequences: Mapping[str, Sequence],
    now: datetime,
) -> ImportResult:
    """Import `path`; `coupon` is of the rows that name none ("": all must). Codes that no step asks for are told of."""
    asked_for = named(sequences)

    def read(source: Source) -> Iterable[CouponCode | RowError | Ignored | Note]:
        if not isinstance(source, CsvFile):
            raise InputFileError(f"{path}: is JSON: coupon codes are read from CSV")
        return _with_notes(importer.read(source, options.context, coupon=coupon), asked_for)

    def save(connection: Connection, rows: list[CouponCode]) -> dict[str, int]:
        codes = [Code(coupon=row.coupon, code=row.code, expires_at=row.expires_at) for row in rows]
        created, updated = coupons.save(connection, codes, now=now)
        return {"created": created, "updated": updated, "unchanged": len(rows) - created - updated}

    return import_lines(
        database,
        path,
        kind="coupons",
        format_name=importer.NAME,
        read=read,
        save=save,
        counts=("created", "updated", "unchanged"),
        read_with=(coupon, str(options.context.zone)),
        options=options,
        carts="change",  # a run takes codes and gives them back in the transaction that relies on the carts
        now=now,
    )


def named(sequences: Mapping[str, Sequence]) -> frozenset[str]:
    """Return the coupons that steps ask for."""
    return frozenset(step.coupon for sequence in sequences.values() for step in sequence.steps if step.coupon)


def coupon_in(file_name: str, known: frozenset[str]) -> str:
    """Return the coupon that a file's name bears: `coupons-recovery10-2026.csv` is of recovery10, if that is known."""
    rest = importer.FILE_NAMES.sub("", file_name, count=1)[1:].lower()
    fitting = [name for name in known if re.match(rf"{re.escape(name.lower())}([-_. ]|$)", rest)]
    return max(fitting, key=len, default="")


def _with_notes(
    lines: Iterable[CouponCode | RowError | Ignored], asked_for: frozenset[str]
) -> Iterator[CouponCode | RowError | Ignored | Note]:
    known = set(asked_for)
    for line in lines:
        if isinstance(line, CouponCode) and line.coupon not in known:
            known.add(line.coupon)
            yield Note(f'no step asks for the coupon "{line.coupon}"{did_you_mean(line.coupon, asked_for)}')
        yield line
