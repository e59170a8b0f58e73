"""Whatever the bytes: no traceback, every row accounted for, and a refused file has changed nothing."""

import csv
import io
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartctl.importers.format import CsvFormat, JsonFormat
from cartctl.importers.native_carts import FORMAT as NATIVE_CARTS
from cartctl.importers.native_orders import FORMAT as NATIVE_ORDERS
from cartctl.importers.registry import formats
from tests.cli.looking import everything
from tests.importers.examples import EXAMPLES
from tests.importers.shopify_rows import COLUMNS
from tests.shop import Cli

KINDS = st.sampled_from(["carts", "orders"])
HEADERS = {
    "carts": [sorted(NATIVE_CARTS.columns or ()), COLUMNS],
    "orders": [sorted(NATIVE_ORDERS.columns or ()), COLUMNS],
}
CELLS = st.one_of(
    st.sampled_from(
        """c-1 #1001 1.59E+17 2026-03-02T10:00:00Z 2026-03-02 0001-01-01T00:00:00Z 9999-12-31T23:59:59.999999Z
        2026-03-02T10:00:00+14:00 anna@example.com ANNA@EXAMPLE.COM anna@ EUR JPY kwd EURO 1 0 -1 9999 1e400 NaN 0.001
        999999999999 49.90 https://shop.example.com javascript:0 +4915123456789 01512 yes no granted refused paid voided
        tiktok de-DE Europe/Berlin Europe ../x ' '= "\N{NO-BREAK SPACE}" \N{RIGHT-TO-LEFT OVERRIDE}""".split(" ")
    ),
    st.just(""),
    st.text(max_size=8),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any")


@pytest.fixture(scope="module")
def empty(folder: Path) -> Path:
    """A database with the schema and nothing else, to be copied."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", f"sqlite:///{folder / 'empty.db'}")
        Cli(folder)("db", "upgrade")
    return folder / "empty.db"


def check(
    folder: Path,
    empty: Path,
    kind: str,
    content: bytes,
    name: str = "export.csv",
    *,
    options: tuple[str, ...] = ("--timezone", "Europe/Berlin"),
) -> None:
    database, export = folder / "cartctl.db", folder / name
    for path in (*folder.glob("cartctl.db*"), *folder.glob("*.rejects.*")):
        path.unlink()
    shutil.copy(empty, database)
    export.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", f"sqlite:///{database}")
        arguments: tuple[str | Path, ...] = ("import", kind, export, "--rejects", folder, *options, "--json")
        outcome = Cli(folder)(*arguments, ok=False)
    assert outcome.exit_code in (0, 1, 2)
    assert list(folder.glob("*.part")) == []
    rejects = next(folder.glob("*.rejects.*"), None)
    if outcome.exit_code == 2:
        assert (outcome.out, outcome.err[:9]) == ("", "cartctl: ")
        assert everything(database) == everything(empty)
        assert rejects is None
        return
    result = outcome.json
    assert result["rows"] == result["accepted"] + result["ignored"] + result["rejected"]
    assert outcome.exit_code == bool(result["rejected"]) == (rejects is not None)
    if rejects is not None:
        with rejects.open(encoding="utf-8", newline="") as stream:
            lines = list(csv.reader(stream))[1:] if rejects.suffix == ".csv" else stream.readlines()
        assert len(lines) == result["rejected"]


@settings(max_examples=45, deadline=None)
@given(kind=KINDS, content=st.binary(max_size=300))
def test_arbitrary_bytes(folder: Path, empty: Path, kind: str, content: bytes) -> None:
    check(folder, empty, kind, content)


@settings(max_examples=45, deadline=None)
@given(
    kind=KINDS, data=st.data(), text=st.text(st.characters(codec="utf-8") | st.sampled_from(',"\n\r;'), max_size=200)
)
def test_arbitrary_text_behind_a_known_header(
    folder: Path, empty: Path, kind: str, data: st.DataObject, text: str
) -> None:
    header = data.draw(st.sampled_from(HEADERS[kind]))
    check(folder, empty, kind, (",".join(header) + "\n" + text).encode())


@settings(max_examples=70, deadline=None)
@given(kind=KINDS, data=st.data())
def test_arbitrary_cells_under_a_known_header(folder: Path, empty: Path, kind: str, data: st.DataObject) -> None:
    columns = data.draw(st.sampled_from(HEADERS[kind]))
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(columns)
    for _ in range(data.draw(st.integers(1, 4))):
        filled = data.draw(st.dictionaries(st.sampled_from(columns), CELLS, max_size=6))
        sound = {"cart_id": "c-1", "order_id": "o-1", "email": "anna@example.com", "Name": "#1001", "Total": "1.00"}
        sound |= {"Financial Status": "paid"} if kind == "orders" else {}
        times = dict.fromkeys(("updated_at", "placed_at", "Created at"), "2026-03-02T10:00:00Z")
        writer.writerow([(sound | times | filled).get(column, "") for column in columns])
    check(folder, empty, kind, stream.getvalue().encode())


@pytest.mark.parametrize("format_", formats(), ids=lambda format_: str(format_.name))
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_valid_file_of_any_format_with_a_piece_replaced(
    folder: Path, empty: Path, format_: CsvFormat | JsonFormat, data: st.DataObject
) -> None:
    """Through the whole command; `test_any_format` tries more of the kind on the importers alone."""
    name, content = EXAMPLES[format_.name]
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, min(len(content), start + 30)))
    piece = data.draw(st.text(',;"\n{}[]:0.', max_size=6)).encode()
    options = () if format_.kind == "tiktok" else ("--timezone", "Europe/Berlin")
    check(folder, empty, format_.kind, content[:start] + piece + content[end:], name, options=options)
