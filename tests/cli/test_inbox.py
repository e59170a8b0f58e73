"""The drop folder: what is imported, in which order, where it goes, and what is left alone."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from tests.cli.looking import carts, rows
from tests.shop import Cli, Shop, at, cart, order, write_csv

pytestmark = pytest.mark.usefixtures("sqlite_url")

DATABASE = Path("cartctl.db")
BOUNCE = {
    "email": "bela@example.com",
    "timestamp": int(at("1h").timestamp()),
    "event": "bounce",
    "type": "bounce",
    "sg_event_id": "1",
}


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


def old(path: Path, *, seconds: float = 120) -> Path:
    """Let a file be as old as one that nobody writes to any more."""
    then = time.time() - seconds
    os.utime(path, (then, then))
    return path


def drop(path: Path, *found: dict[str, str]) -> Path:
    return old(write_csv(path, *found))


def drop_text(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return old(path)


def files(folder: Path) -> list[str]:
    """Everything in the folder but the lock, by path."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in found if name != ".inbox/lock")


def test_every_kind_of_file_finds_its_way(shop: Shop, cli: Cli, inbox: Path) -> None:
    drop(inbox / "a.csv", cart(), cart("c-2", email="bela@example.com"))
    drop(inbox / "b.csv", order(cart_id="c-1"))
    drop_text(inbox / "c.json", json.dumps([BOUNCE]))
    drop_text(inbox / "unsubscribes.csv", "email\ncleo@example.com\n")
    drop_text(inbox / "coupons-recovery10-2026.csv", "code\nCODE1\n")
    drop_text(inbox / "contacts-2026.csv", "email,score\nanna@example.com,7\n")
    drop_text(inbox / "d.csv", "coupon,code\nrecovery10,CODE2\n")
    drop_text(inbox / "e.csv", "status,reason,email,created\n5.1.1,unknown,dora@example.com,1772445600\n")
    outcome = cli("import", "inbox", inbox, "--json")
    assert {Path(one["file"]).name: (one["kind"], one["outcome"]) for one in outcome.json["files"]} == {
        "a.csv": ("carts", "done"),
        "b.csv": ("orders", "done"),
        "c.json": ("events", "done"),
        "unsubscribes.csv": ("suppressions", "done"),
        "coupons-recovery10-2026.csv": ("coupons", "done"),
        "contacts-2026.csv": ("contacts", "done"),
        "d.csv": ("coupons", "done"),
        "e.csv": ("suppressions", "done"),
    }
    assert outcome.json["waiting"] == []
    assert files(inbox) == sorted(f"done/{Path(one['file']).name}" for one in outcome.json["files"])
    assert {key: status for key, (*_, status, _) in carts(DATABASE).items()} == {"c-1": "recovered", "c-2": "active"}
    assert rows(DATABASE, "SELECT coupon, code FROM coupons ORDER BY 2") == [
        ("recovery10", "CODE1"),
        ("recovery10", "CODE2"),
    ]
    assert rows(DATABASE, "SELECT reason FROM suppressions ORDER BY 1") == [
        ("hard-bounce",),
        ("imported",),
        ("unknown",),
    ]


def test_what_keeps_mails_from_going_out_comes_first(cli: Cli, inbox: Path) -> None:
    drop_text(inbox / "1-coupons.csv", "coupon,code\nrecovery10,A\n")
    drop_text(inbox / "2-events.json", json.dumps([BOUNCE]))
    drop(inbox / "3-carts.csv", cart())
    old(drop(inbox / "4-old.csv", order()), seconds=900)
    drop(inbox / "4-young.csv", order("o-2"))
    drop_text(inbox / "suppressions.csv", "email\nbela@example.com\n")
    order_ = [Path(one["file"]).name for one in cli("import", "inbox", inbox, "--json").json["files"]]
    assert order_ == [
        *("suppressions.csv", "4-old.csv", "4-young.csv", "3-carts.csv", "2-events.json", "1-coupons.csv"),
    ]


def test_it_is_silent_when_all_is_well(cli: Cli, inbox: Path) -> None:
    drop(inbox / "carts.csv", cart())
    first = cli("import", "inbox", inbox)
    nothing = cli("import", "inbox", inbox)
    drop(inbox / "carts.csv", cart())
    again = cli("import", "inbox", inbox)
    for outcome in (first, nothing, again):
        assert (outcome.out, outcome.err) == ("", "")
    assert files(inbox) == ["done/carts-2.csv", "done/carts.csv"]


def test_with_v_it_says_what_was_done(cli: Cli, inbox: Path) -> None:
    drop(inbox / "carts.csv", cart())
    write_csv(inbox / "young.csv", cart("c-2"))
    outcome = cli("import", "inbox", inbox, "-v")
    assert outcome.out == (
        f"{inbox / 'carts.csv'}: native-carts, 1 rows: 1 accepted, 0 ignored, 0 rejected; "
        "carts: 1 created, 0 updated, 0 unchanged\n"
        f"{inbox / 'young.csv'}: changed less than a minute ago: left for the next run\n"
    )


@pytest.mark.parametrize("name", ["carts.csv", "carts.csv.part", "carts.csv.tmp", "CARTS.TMP", ".carts.csv"])
def test_a_file_still_being_written_is_left_alone(cli: Cli, inbox: Path, name: str) -> None:
    path = drop(inbox / name, cart())
    if name == "carts.csv":
        old(path, seconds=50)
    outcome = cli("import", "inbox", inbox, "--json")
    assert outcome.json["files"] == []
    assert files(inbox) == [name]
    if name == "carts.csv":
        assert outcome.json["waiting"] == [str(path)]
        old(path, seconds=61)
        assert len(cli("import", "inbox", inbox, "--json").json["files"]) == 1


def test_age_is_real_whatever_at_says(cli: Cli, inbox: Path) -> None:
    write_csv(inbox / "young.csv", cart())
    drop(inbox / "old.csv", cart("c-2"))
    outcome = cli("import", "inbox", inbox, "--json", "--at", "2031-01-01T00:00:00Z")
    assert [Path(one["file"]).name for one in outcome.json["files"]] == ["old.csv"]


def test_a_file_of_the_future_is_left_and_named(cli: Cli, inbox: Path) -> None:
    old(drop(inbox / "carts.csv", cart()), seconds=-3600)
    outcome = cli("import", "inbox", inbox, ok=False)
    assert outcome.exit_code == 1
    assert "carts.csv: was changed in the future" in outcome.err
    assert files(inbox) == ["carts.csv"]


def test_folders_are_not_looked_into(cli: Cli, inbox: Path) -> None:
    (inbox / "sub").mkdir()
    drop(inbox / "sub" / "carts.csv", cart())
    cli("import", "inbox", inbox)
    assert files(inbox) == ["sub/carts.csv"]


def test_rejected_rows_lie_beside_the_file(cli: Cli, inbox: Path) -> None:
    drop(inbox / "carts.csv", cart(), cart("c-2", updated_at="soon"))
    outcome = cli("import", "inbox", inbox, "--json", ok=False)
    assert outcome.exit_code == 1
    assert files(inbox) == ["done/carts.csv", "done/carts.csv.rejects.csv"]
    assert "1 of 2 rows rejected, see " + str(inbox / "done/carts.csv.rejects.csv") in outcome.err
    assert outcome.json["files"][0]["import"]["rejects_file"] == str(inbox / "done/carts.csv.rejects.csv")


def test_a_file_of_which_nothing_was_imported_has_failed(cli: Cli, inbox: Path) -> None:
    drop(inbox / "carts.csv", cart(updated_at="soon"))
    drop_text(inbox / "notes.txt", "buy milk\n")
    drop_text(inbox / "empty.csv", "")
    drop_text(inbox / "broken.json", "{")
    drop(inbox / "good.csv", cart("c-2"))
    outcome = cli("import", "inbox", inbox, ok=False)
    assert outcome.exit_code == 1
    assert files(inbox) == [
        "done/good.csv",
        *(f"failed/{name}" for name in ("broken.json", "broken.json.reason.txt", "carts.csv")),
        *(f"failed/{name}" for name in ("carts.csv.rejects.csv", "empty.csv", "empty.csv.reason.txt")),
        *(f"failed/{name}" for name in ("notes.txt", "notes.txt.reason.txt")),
    ]
    for name in ("notes.txt", "empty.csv", "broken.json"):
        reason = (inbox / "failed" / f"{name}.reason.txt").read_text(encoding="utf-8")
        assert reason.startswith(str(inbox / name))
        assert reason.strip() in outcome.err
    assert list(carts(DATABASE)) == ["c-2"]


def test_a_list_of_customers_suppresses_nobody(cli: Cli, inbox: Path) -> None:
    drop_text(inbox / "customers.csv", "email,created\nanna@example.com,1772445600\n")
    assert cli("import", "inbox", inbox, ok=False).exit_code == 1
    assert files(inbox) == ["failed/customers.csv", "failed/customers.csv.reason.txt"]
    assert rows(DATABASE, "SELECT count(*) FROM suppressions") == [(0,)]


@pytest.mark.parametrize("name", ["coupons.csv", "coupons-recovry10.csv", "coupons-recovery1.csv"])
def test_codes_of_an_unknown_coupon_are_not_guessed(shop: Shop, cli: Cli, inbox: Path, name: str) -> None:
    drop_text(inbox / name, "code\nA\n")
    assert "which coupon are these codes of?" in cli("import", "inbox", inbox, ok=False).err
    assert files(inbox) == [f"failed/{name}", f"failed/{name}.reason.txt"]


def test_nothing_is_overwritten(cli: Cli, inbox: Path) -> None:
    for cart_id in ("c-1", "c-2", "c-3"):
        drop(inbox / "carts.csv", cart(cart_id), cart("c-9", updated_at=f"never {cart_id}"))
        cli("import", "inbox", inbox, ok=False)
        drop_text(inbox / "notes.txt", f"note {cart_id}\n")
        cli("import", "inbox", inbox, ok=False)
    names = ("carts.csv", "carts-2.csv", "carts-3.csv")
    for cart_id, name in zip(("c-1", "c-2", "c-3"), names, strict=True):
        assert cart_id in (inbox / "done" / name).read_text(encoding="utf-8")
        assert f"never {cart_id}" in (inbox / "done" / f"{name}.rejects.csv").read_text(encoding="utf-8")
    notes = [(inbox / "failed" / name).read_text(encoding="utf-8") for name in ("notes.txt", "notes-2.txt")]
    assert notes == ["note c-1\n", "note c-2\n"]


def test_rejected_rows_that_were_left_behind_are_not_overwritten(cli: Cli, inbox: Path) -> None:
    """Somebody has taken done/carts.csv away, and not what lay beside it."""
    (inbox / "done").mkdir()
    (inbox / "done" / "carts.csv.rejects.csv").write_text("of another file", encoding="utf-8")
    drop(inbox / "carts.csv", cart(), cart("c-2", updated_at="soon"))
    cli("import", "inbox", inbox, ok=False)
    assert files(inbox) == ["done/carts-2.csv", "done/carts-2.csv.rejects.csv", "done/carts.csv.rejects.csv"]
    assert (inbox / "done" / "carts.csv.rejects.csv").read_text(encoding="utf-8") == "of another file"


def test_a_mended_file_of_rejected_rows_may_be_dropped_again(cli: Cli, inbox: Path) -> None:
    drop(inbox / "carts.csv", cart(), cart("c-2", updated_at="soon"))
    cli("import", "inbox", inbox, ok=False)
    rejects = inbox / "done" / "carts.csv.rejects.csv"
    drop_text(inbox / rejects.name, rejects.read_text(encoding="utf-8").replace("soon,", "2026-03-02T10:00:00Z,"))
    cli("import", "inbox", inbox)
    assert sorted(carts(DATABASE)) == ["c-1", "c-2"]


def test_another_run_in_the_same_folder_does_nothing(cli: Cli, inbox: Path) -> None:
    drop(inbox / "carts.csv", cart())
    (inbox / ".inbox").mkdir()
    with FileLock(inbox / ".inbox" / "lock"):
        outcome = cli("import", "inbox", inbox, ok=False)
    assert (outcome.exit_code, "another run is at work" in outcome.err) == (75, True)
    assert files(inbox) == ["carts.csv"]


def test_run_due_goes_on_meanwhile(cli: Cli, inbox: Path) -> None:
    """The drop folder's lock is its own."""
    drop(inbox / "carts.csv", cart())
    with FileLock("cartctl.db.lock"):
        cli("import", "inbox", inbox)
    assert files(inbox) == ["done/carts.csv"]


def test_a_folder_that_is_none_is_refused(cli: Cli, tmp_path: Path) -> None:
    outcome = cli("import", "inbox", tmp_path / "nowhere", ok=False)
    assert (outcome.exit_code, outcome.err) == (2, f"cartctl: {tmp_path / 'nowhere'}: no such folder\n")


def test_a_name_that_is_no_utf_8_is_told_readably(cli: Cli, inbox: Path) -> None:
    path = inbox / os.fsdecode(b"caf\xe9.csv")
    drop(path, cart())
    outcome = cli("import", "inbox", inbox, "--json", ok=False)
    assert outcome.exit_code == 1
    assert "the file's name is not UTF-8" in outcome.json["files"][0]["error"]
    assert not path.exists()


def test_a_file_without_zone_says_what_to_do_and_the_others_go_on(cli: Cli, inbox: Path) -> None:
    drop_text(inbox / "coupons-recovery10.csv", "code,expires_at\nA,2026-12-24\n")
    drop(inbox / "carts.csv", cart())
    outcome = cli("import", "inbox", inbox, ok=False)
    assert "--timezone" in outcome.err
    assert files(inbox)[0] == "done/carts.csv"


# What a process leaves that dies at the worst moments, put together by hand


@pytest.fixture
def finished(cli: Cli, inbox: Path) -> dict[str, Any]:
    """A folder whose one file was imported, with a rejected row."""
    drop(inbox / "carts.csv", cart(), cart("c-2", updated_at="soon"))
    result: dict[str, Any] = cli("import", "inbox", inbox, "--json", ok=False).json
    (inbox / "done" / "carts.csv").rename(inbox / "carts.csv")
    return result


def test_died_before_the_first_move(cli: Cli, inbox: Path, finished: dict[str, Any]) -> None:
    (inbox / "done" / "carts.csv.rejects.csv").rename(inbox / ".inbox" / "carts.csv.rejects.csv")
    outcome = cli("import", "inbox", inbox, ok=False)
    assert files(inbox) == ["done/carts.csv", "done/carts.csv.rejects.csv"]
    assert outcome.exit_code == 1
    assert f"imported before; rejected rows: {inbox / 'done/carts.csv.rejects.csv'}" in outcome.err
    assert rows(DATABASE, "SELECT count(*) FROM imports") == [(1,)]


def test_died_between_the_moves(cli: Cli, inbox: Path, finished: dict[str, Any]) -> None:
    outcome = cli("import", "inbox", inbox, ok=False)
    assert files(inbox) == ["done/carts.csv", "done/carts.csv.rejects.csv"]
    assert outcome.exit_code == 1
    assert f"imported before; rejected rows: {inbox / 'done/carts.csv.rejects.csv'}" in outcome.err


def test_died_before_the_commit(cli: Cli, inbox: Path) -> None:
    """Its rejected rows are there, and the file is not the one that they were of."""
    drop(inbox / "carts.csv", cart())
    (inbox / ".inbox").mkdir()
    for name in ("carts.csv.rejects.csv", "gone.csv.rejects.csv", "carts.csv.rejects.csv.part"):
        (inbox / ".inbox" / name).write_text("old", encoding="utf-8")
    assert cli("import", "inbox", inbox).err == ""
    assert files(inbox) == ["done/carts.csv"]


@pytest.mark.parametrize("share", [1, 0.5, 0])
def test_died_with_the_reason_written(cli: Cli, inbox: Path, share: float) -> None:
    """Or half of it, or only its file made."""
    drop_text(inbox / "notes.txt", "buy milk\n")
    cli("import", "inbox", inbox, ok=False)
    (inbox / "failed" / "notes.txt").rename(inbox / "notes.txt")
    note = inbox / "failed" / "notes.txt.reason.txt"
    reason = note.read_text(encoding="utf-8")
    note.write_text(reason[: int(len(reason) * share)], encoding="utf-8")
    assert cli("import", "inbox", inbox, ok=False).exit_code == 1
    assert files(inbox) == ["failed/notes.txt", "failed/notes.txt.reason.txt"]
    assert note.read_text(encoding="utf-8") == reason


LONG = "\N{LATIN SMALL LETTER U WITH DIAERESIS}" * 125


def test_names_of_250_bytes_are_shortened_where_their_companions_need_room(cli: Cli, inbox: Path) -> None:
    drop_text(inbox / f"{LONG}.txt", "buy milk\n")
    drop(inbox / f"{LONG}.csv", cart(), cart("c-2", updated_at="soon"))
    drop(inbox / "orders.csv", order(cart_id="c-1"))
    outcome = cli("import", "inbox", inbox, "--json", ok=False)
    assert outcome.exit_code == 1
    moved = {Path(one["file"]).name: one["moved_to"] for one in outcome.json["files"]}
    assert Path(moved["orders.csv"]).name == "orders.csv"
    failed, done = Path(moved[f"{LONG}.txt"]), Path(moved[f"{LONG}.csv"])
    assert failed.with_name(f"{failed.name}.reason.txt").exists()
    assert done.with_name(f"{done.name}.rejects.csv").exists()
    assert {failed.name[:100], done.name[:100]} == {LONG[:100]}
    assert (failed.suffix, done.suffix) == (".txt", ".csv")
    assert files(inbox) == sorted(
        ["done/orders.csv"]
        + [f"done/{done.name}{behind}" for behind in ("", ".rejects.csv")]
        + [f"failed/{failed.name}{behind}" for behind in ("", ".reason.txt")]
    )
    assert set(carts(DATABASE)) == {"c-1"}


def test_disk_that_does_not_take_the_rejected_rows_costs_no_file(cli: Cli, inbox: Path) -> None:
    drop(inbox / "carts.csv", cart(), cart("c-2", updated_at="soon"))
    drop(inbox / "orders.csv", order(cart_id="c-1"))
    (inbox / ".inbox" / "carts.csv.rejects.csv").mkdir(parents=True)
    outcome = cli("import", "inbox", inbox, ok=False)
    assert (outcome.exit_code, outcome.err.count("\n")) == (1, 1)
    assert outcome.err.startswith(f"cartctl: {inbox / 'carts.csv'}: ")
    assert "the rejected rows cannot be written" in outcome.err
    assert files(inbox) == ["carts.csv", "done/orders.csv"]
    (inbox / ".inbox" / "carts.csv.rejects.csv").rmdir()
    cli("import", "inbox", inbox, ok=False)
    assert files(inbox) == ["done/carts.csv", "done/carts.csv.rejects.csv", "done/orders.csv"]
