"""Whatever the bytes of events, addresses or codes: no traceback, every row accounted for, nothing half-written."""

import csv
import io
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.importers.test_any_bytes import CELLS, check, empty, folder
from tests.shop import Cli

__all__ = ["empty", "folder"]  # fixtures

OPTIONS: dict[str, tuple[str, ...]] = {
    "events": (),
    "suppressions": (),
    "coupons": ("--coupon", "recovery10", "--timezone", "Europe/Berlin"),
}
COLUMNS = {
    "suppressions": ["email", "reason", "created", "Address"],
    "coupons": ["code", "coupon", "expires_at", "uses"],
}
VALID = {
    "events": json.dumps(
        [
            {
                "email": "anna@example.com",
                "timestamp": 1772445600,
                "event": "bounce",
                "type": "bounce",
                "sg_event_id": "1",
            }
        ]
        * 3
    ).encode(),
    "suppressions": b"email,reason\nanna@example.com,asked\nbela@example.com,\n",
    "coupons": b"code,coupon,expires_at\nA,recovery10,2026-12-24\nB,,2026-12-24T10:00:00Z\nC,,\n",
}
KINDS = st.sampled_from(sorted(OPTIONS))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None)
@given(kind=KINDS, content=st.binary(max_size=300))
def test_arbitrary_bytes(folder: Path, empty: Path, kind: str, content: bytes) -> None:
    check(folder, empty, kind, content, options=OPTIONS[kind])


@settings(max_examples=50, deadline=None)
@given(kind=st.sampled_from(sorted(COLUMNS)), data=st.data())
def test_arbitrary_cells(folder: Path, empty: Path, kind: str, data: st.DataObject) -> None:
    columns = data.draw(st.lists(st.sampled_from(COLUMNS[kind]), min_size=1, max_size=4))
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(columns)
    for _ in range(data.draw(st.integers(0, 4))):
        writer.writerow([data.draw(CELLS) for _ in columns])
    check(folder, empty, kind, stream.getvalue().encode("utf-8", "replace"), options=OPTIONS[kind])


@settings(max_examples=50, deadline=None)
@given(
    found=st.lists(
        st.fixed_dictionaries(
            {"event": st.sampled_from(["bounce", "open", "dropped", "spamreport", "new"]) | JSON},
            optional={
                "email": st.sampled_from(["anna@example.com", "ANNA@EXAMPLE.COM", "anna@"]) | JSON,
                "timestamp": st.sampled_from([1772445600, "1772445600", 0, 10**40, "9" * 4400]) | JSON,
                "cc_message_id": st.sampled_from(["1", 1, 2**63, "٣", "9" * 5000]) | JSON,
                "sg_message_id": st.text(max_size=300) | JSON,
                "type": JSON,
                "reason": JSON,
            },
        )
        | JSON,
        max_size=4,
    )
)
def test_arbitrary_events(folder: Path, empty: Path, found: list[Any]) -> None:
    known = {"email": "anna@example.com", "timestamp": 1772445600, "event": "open", "sg_event_id": "1"}
    check(folder, empty, "events", json.dumps([known, *found]).encode(), "export.json", options=())


@settings(max_examples=50, deadline=None)
@given(kind=KINDS, data=st.data())
def test_mutated_valid_files(folder: Path, empty: Path, kind: str, data: st.DataObject) -> None:
    content = bytearray(VALID[kind])
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(content)))
        content[start : data.draw(st.integers(start, min(start + 20, len(content))))] = data.draw(st.binary(max_size=4))
    check(folder, empty, kind, bytes(content), options=OPTIONS[kind])


@settings(max_examples=30, deadline=None)
@given(
    content=st.binary(max_size=200) | st.sampled_from(sorted(VALID.values())),
    name=st.sampled_from(["carts.csv", "suppressions.csv", "coupons-recovery10.csv", "coupons.csv", "x.json", "-x"]),
)
def test_whatever_is_dropped_is_moved_away(folder: Path, empty: Path, content: bytes, name: str) -> None:
    inbox = folder / "inbox"
    shutil.rmtree(inbox, ignore_errors=True)
    inbox.mkdir()
    (inbox / name).write_bytes(content)
    os.utime(inbox / name, (time.time() - 120,) * 2)
    for path in folder.glob("cartctl.db*"):
        path.unlink()
    shutil.copy(empty, folder / "cartctl.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", f"sqlite:///{folder / 'cartctl.db'}")
        outcome = Cli(folder)("import", "inbox", inbox, "--json", ok=False)
    assert outcome.exit_code in (0, 1)
    (found,) = outcome.json["files"]
    assert Path(found["moved_to"]).read_bytes() == content
    assert [path.name for path in inbox.iterdir() if path.is_file()] == []
