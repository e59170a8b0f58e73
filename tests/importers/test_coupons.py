"""Lists of codes: the columns, the coupon they are of, and when a code ends."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from cartctl.errors import InputFileError, UsageError
from cartctl.importers.coupons import CouponCode, read, recognise
from cartctl.importers.records import Context, RowError
from tests.importers.reading import csv_file

BERLIN = Context("main", zone=ZoneInfo("Europe/Berlin"))
NO_ZONE = Context("main")


def codes(text: str, *, coupon: str = "recovery10", context: Context = BERLIN) -> list[CouponCode | RowError]:
    lines = list(read(csv_file(text), context, coupon=coupon))
    return [line for line in lines if isinstance(line, CouponCode | RowError)]


@pytest.mark.parametrize("header", ["code", "Code,Times Used", "discount_code", "Voucher code", "Coupon Code,x"])
def test_the_column_of_codes_is_found(header: str) -> None:
    (found,) = codes(f"{header}\nBACK-1{',' * header.count(',')}\n")
    assert found == CouponCode(2, "recovery10", "BACK-1", None)


def test_a_column_says_of_which_coupon_and_wins() -> None:
    found = codes("coupon,code\nwelcome,A\n,B\n")
    assert [line.coupon for line in found if isinstance(line, CouponCode)] == ["welcome", "recovery10"]


def test_a_code_keeps_its_case_and_loses_its_margins() -> None:
    (found,) = codes("code\n back-A1 \n")
    assert isinstance(found, CouponCode)
    assert found.code == "back-A1"


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("2026-12-24T12:00:00+01:00", datetime(2026, 12, 24, 11, tzinfo=UTC)),
        ("2026-12-24 12:00", datetime(2026, 12, 24, 11, tzinfo=UTC)),
        ("2026-12-24", datetime(2026, 12, 24, 23, tzinfo=UTC)),  # the whole day in Berlin
        ("", None),
    ],
)
def test_a_code_ends_at_a_time_or_after_a_day(text: str, ends: datetime | None) -> None:
    (found,) = codes(f"code,expires_at\nA,{text}\n")
    assert isinstance(found, CouponCode)
    assert found.expires_at == ends


@pytest.mark.parametrize("text", ["2026-12-24", "2026-12-24 12:00"])
def test_without_a_zone_a_time_without_offset_is_rejected(text: str) -> None:
    (found,) = codes(f"code,expires_at\nA,{text}\n", context=NO_ZONE)
    assert isinstance(found, RowError)
    assert "--timezone" in found.reason


@pytest.mark.parametrize(
    ("row", "column"),
    [
        (",2026-12-24", "code"),
        ("1.59E+17,", "code"),
        (f"{'A' * 101},", "code"),
        ("A\tB,", "code"),
        ("A,soon", "expires_at"),
        ("A,9999-12-31", "expires_at"),
        ("A,0001-01-01", "expires_at"),
    ],
)
def test_what_cannot_be_a_code_is_rejected(row: str, column: str) -> None:
    (found,) = codes(f"code,expires_at\n{row}\n")
    assert isinstance(found, RowError)
    assert found.column == column


def test_a_coupons_name_fits_its_column() -> None:
    (found,) = codes(f"coupon,code\n{'x' * 61},A\n")
    assert isinstance(found, RowError)
    assert found.column == "coupon"


def test_codes_of_no_coupon_are_refused() -> None:
    with pytest.raises(UsageError, match="--coupon recovery10 says so"):
        codes("code\nA\n", coupon="")
    (found,) = codes("coupon,code\n,A\n", coupon="")
    assert isinstance(found, RowError)
    assert found.column == "coupon"


def test_a_file_without_codes_is_refused() -> None:
    with pytest.raises(InputFileError, match='column "code" is missing'):
        codes("coupon,expires_at\nrecovery10,\n")


@pytest.mark.parametrize(
    ("header", "sure"), [("coupon,code", True), ("code,expires_at", False), ("order_id,coupon", False)]
)
def test_only_code_and_coupon_together_are_unmistakable(header: str, sure: bool) -> None:
    assert recognise(csv_file(f"{header}\n").header) == sure
