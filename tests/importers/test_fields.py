"""One cell at a time."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartctl.domain.carts import Consent
from cartctl.importers import fields
from cartctl.importers.fields import FieldError, UndecidedAmountError
from cartctl.importers.records import Context

MINUTE = timedelta(minutes=1)
NOWHERE = Context(store="main")
BERLIN = Context(store="main", zone=ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize("text", ["37107488451315", "c-1", "@anna", "1E5", "e+1", "x" * 200, "00012"])
def test_identifier_is_kept_as_it_is(text: str) -> None:
    assert fields.identifier(f" {text}\t", "cart_id") == text


@pytest.mark.parametrize("text", ["1.59E+17", "1,59E+17", "3.7e+13", "4E+12"])
def test_identifier_that_a_spreadsheet_rounded_is_refused(text: str) -> None:
    with pytest.raises(FieldError, match="rounded by a spreadsheet; export it again, as text"):
        fields.identifier(text, "cart_id")


@pytest.mark.parametrize(("text", "reason"), [(" ", "is blank"), ("x" * 201, "is 201 characters long")])
def test_identifier_that_is_none_is_refused(text: str, reason: str) -> None:
    with pytest.raises(FieldError, match=reason):
        fields.identifier(text, "cart_id")


def test_optional_identifier_may_be_blank_but_not_rounded() -> None:
    assert fields.optional_identifier(" ", "cart_id") == ""
    with pytest.raises(FieldError):
        fields.optional_identifier("1.59E+17", "cart_id")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("", None),
        ("  ", None),
        (" Anna@Example.COM ", "anna@example.com"),
        ("anna+shop@example.com", "anna+shop@example.com"),
        ("o'hara@example.com", "o'hara@example.com"),
        ("a.b-c_d@mail.shop.example.co.uk", "a.b-c_d@mail.shop.example.co.uk"),
        ("Jörg@Müller.example.com", "jörg@müller.example.com"),
        ("anna@xn--mller-kva.example.com", "anna@müller.example.com"),
    ],
)
def test_address_is_folded_so_that_two_spellings_are_one(text: str, address: str | None) -> None:
    assert fields.email(text, "email") == address


@pytest.mark.parametrize(
    "text",
    [
        "anna",
        "@example.com",
        "anna@",
        "anna@example",
        "anna@exa mple.com",
        "anna@@example.com",
        "a@b@example.com",
        ".anna@example.com",
        "anna..b@example.com",
        "anna@example..com",
        "anna@-example.com",
        "Anna <anna@example.com>",
        "anna@example.com, bea@example.com",
        "mailto:anna@example.com",
        "anna@example.com\nBcc: bea@example.com",
        "-",
    ],
)
def test_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(FieldError, match="is no e-mail address") as caught:
        fields.email(text, "email")
    assert caught.value.column == "email"


@pytest.mark.parametrize(
    ("text", "country", "number"),
    [
        ("+4915123456789", None, "+4915123456789"),
        ("+49 (1512) 345-67.89", None, "+4915123456789"),
        ("'+4915123456789", None, "+4915123456789"),
        ("0151 23456789", "DE", "+4915123456789"),
        ("0049 151 23456789", "DE", "+4915123456789"),
        ("0151 23456789", "de", "+4915123456789"),
        ("(250) 087-9894", "US", "+12500879894"),
        ("0151 23456789", None, None),
        ("0151 23456789", "Germany", None),
        ("call me", "DE", None),
        ("-", "DE", None),
        ("1", "DE", None),
        ("1" * 40, "DE", None),
        ("", "DE", None),
    ],
)
def test_phone_becomes_e164_or_nothing(text: str, country: str | None, number: str | None) -> None:
    assert fields.phone(text, country) == number


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-02T10:00:00Z",
        "2026-03-02T11:00:00+01:00",
        "2026-03-02 11:00:00 +0100",
        "2026-03-02 10:00:00 UTC",
        "2026-03-02T10:00:00.000Z",
        "2026-03-02T10:00",
    ],
)
def test_time_is_read_with_its_offset(text: str) -> None:
    context = Context(store="main", zone=ZoneInfo("UTC"))
    assert fields.instant(text, "updated_at", context) == datetime(2026, 3, 2, 10, tzinfo=UTC)


def test_time_without_offset_is_read_in_the_zone_of_the_file() -> None:
    assert fields.instant("2026-07-01 12:00", "updated_at", BERLIN) == datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert fields.instant("2026-01-01 12:00", "updated_at", BERLIN) == datetime(2026, 1, 1, 11, tzinfo=UTC)


def test_time_without_offset_and_without_zone_is_refused_with_both_remedies() -> None:
    with pytest.raises(FieldError, match=r"--timezone Europe/Berlin or stores\.main\.timezone"):
        fields.instant("2026-07-01 12:00", "updated_at", NOWHERE)


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01T10:00:00Z", "1772445600", "02.03.2026 10:00", ""])
def test_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(FieldError):
        fields.instant(text, "updated_at", BERLIN)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1970-01-01T00:00:00Z"])
def test_placeholder_times_are_refused(text: str) -> None:
    with pytest.raises(FieldError, match="is absurd"):
        fields.instant(text, "updated_at", NOWHERE)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00", "9999-12-31T23:59:59"])
def test_times_at_the_edge_of_the_calendar_are_refused_in_every_zone(text: str) -> None:
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        with pytest.raises(FieldError):
            fields.instant(text, "updated_at", Context(store="main", zone=ZoneInfo(zone)))


def test_optional_time_may_be_blank() -> None:
    assert fields.optional_instant(" ", "created_at", NOWHERE) is None
    assert fields.optional_instant("2026-03-02T10:00:00Z", "created_at", NOWHERE) is not None


@pytest.mark.parametrize(
    ("text", "amount"),
    [("", None), ("0", Decimal(0)), (" 49.90 ", Decimal("49.90")), ("1234567.891", Decimal("1234567.891"))],
)
def test_amount_is_exact(text: str, amount: Decimal | None) -> None:
    assert fields.amount(text, "total") == amount


@pytest.mark.parametrize(
    "text", ["-1", "1,2,3", "NaN", "Infinity", "1e3", "1_000", "9999999999999", "free", "5x", "1" * 100]
)
def test_amount_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(FieldError) as caught:
        fields.amount(text, "total")
    assert caught.value.column == "total"


@pytest.mark.parametrize("text", ["1,234", "1.234", "12,345", "KWD 1.234"])
def test_amount_of_one_or_a_thousand_is_left_to_its_column(text: str) -> None:
    plain = Decimal(text.strip("KWD ").replace(",", "."))
    with pytest.raises(UndecidedAmountError, match="may be"):
        fields.amount(text, "total")
    separator = "," if "," in text else "."
    for sign, value in ((separator, plain), (",.".replace(separator, ""), plain * 1000)):
        with fields.deciding_amounts(lambda column, sign=sign: sign if column == "total" else ""):  # type: ignore[misc]
            assert fields.amount(text, "total") == value
            with pytest.raises(FieldError, match="may be"):
                fields.amount(text, "unit_price")


@pytest.mark.parametrize("text", ["", " ", "-", "\N{EN DASH}", "N/A", "n/a", " - ", "--", "NULL"])
def test_placeholder_is_a_blank_where_a_value_is_optional(text: str) -> None:
    assert fields.amount(text, "total") is None
    assert fields.optional_instant(text, "created_at", NOWHERE) is None
    assert fields.phone(text, "DE") is None
    assert fields.url(text, "cart_url") == fields.optional_identifier(text, "cart_id") == ""
    assert (fields.timezone(text, "timezone"), fields.locale(text)) == ("", "")
    assert fields.quantity(text, "quantity") == 1
    assert fields.currency(text, "currency", NOWHERE) == "XXX"


def test_apostrophe_that_marks_text_is_no_part_of_an_id() -> None:
    assert fields.identifier(" '00123", "cart_id") == "00123"
    with pytest.raises(FieldError, match="is blank"):
        fields.identifier("'", "cart_id")


@given(
    st.datetimes(datetime(1991, 1, 1), datetime(2198, 1, 1)),
    st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(lambda ahead: timedelta(minutes=ahead // MINUTE)),
)
def test_every_offset_is_read_as_python_reads_it(wall: datetime, ahead: timedelta) -> None:
    moment = wall.replace(microsecond=0, tzinfo=timezone(ahead))
    assert fields.instant(moment.isoformat(), "updated_at", NOWHERE) == moment
    assert fields.instant(moment.isoformat(), "updated_at", NOWHERE).tzinfo is UTC


@pytest.mark.parametrize(
    "text", ["2026-03-02T10:00:00+24:00", "2026-03-02T10:00:00+1:000", "2026-03-02T10:00:0٣+01:00"]
)
def test_time_with_an_offset_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(FieldError):
        fields.instant(text, "updated_at", NOWHERE)


@pytest.mark.parametrize(("text", "number"), [("", 1), ("2,0", 2), ("0", 0), ("2", 2), (" 3.0 ", 3), ("10000", 10_000)])
def test_quantity_is_a_whole_number_and_a_blank_is_one(text: str, number: int) -> None:
    assert fields.quantity(text, "quantity") == number


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("-1", '"-1" is negative'),
        ("10001", '"10001" is absurd (at most 10000)'),
        ("99999999999999", '"99999999999999" is no whole number'),
        ("1.5", '"1.5" is no whole number'),
        ("two", '"two" is no whole number'),
    ],
)
def test_quantity_that_is_none_is_refused(text: str, reason: str) -> None:
    with pytest.raises(FieldError) as caught:
        fields.quantity(text, "quantity")
    assert caught.value.reason == reason


def test_currency_of_the_cell_comes_before_that_of_the_file() -> None:
    euro = Context(store="main", currency="EUR")
    assert fields.currency(" jpy ", "currency", euro) == "JPY"
    assert fields.currency("", "currency", euro) == "EUR"
    assert fields.currency("", "currency", NOWHERE) == "XXX"


@pytest.mark.parametrize("text", ["EURO", "E", "€", "AAA", "US"])
def test_unknown_currency_is_refused(text: str) -> None:
    with pytest.raises(FieldError, match="is no ISO 4217 currency code"):
        fields.currency(text, "currency", NOWHERE)


@pytest.mark.parametrize(
    ("text", "consent"),
    [
        ("granted", Consent.GRANTED),
        ("Yes", Consent.GRANTED),
        ("TRUE", Consent.GRANTED),
        ("1", Consent.GRANTED),
        ("refused", Consent.REFUSED),
        ("no", Consent.REFUSED),
        ("false", Consent.REFUSED),
        ("0", Consent.REFUSED),
        ("unknown", Consent.UNKNOWN),
        (" ", Consent.UNKNOWN),
    ],
)
def test_consent_in_our_own_words(text: str, consent: Consent) -> None:
    assert fields.consent(text, "consent") == consent


def test_consent_that_is_none_is_refused_not_guessed() -> None:
    with pytest.raises(FieldError, match='"maybe" is none of granted, refused, unknown'):
        fields.consent("maybe", "consent")


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("", ""),
        ("https://shop.example.com/a?b=1", "https://shop.example.com/a?b=1"),
        ("HTTP://shop.example.com", "HTTP://shop.example.com"),
        ("//cdn.example.com/mug.jpg", "https://cdn.example.com/mug.jpg"),
    ],
)
def test_url_is_http(text: str, url: str) -> None:
    assert fields.url(text, "cart_url") == url


@pytest.mark.parametrize(
    "text", ["javascript:alert(1)", "shop.example.com", "https://a.example.com/<b>", 'https://a.example.com/"', "/cart"]
)
def test_url_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(FieldError, match="is no http or https address"):
        fields.url(text, "cart_url")


@pytest.mark.parametrize(
    ("text", "locale"),
    [("de-DE", "de_DE"), ("de", "de"), ("zh-Hant-TW", "zh_Hant_TW"), ("es-419", "es_419"), ("German", ""), ("", "")],
)
def test_locale_is_folded_and_nonsense_dropped(text: str, locale: str) -> None:
    assert fields.locale(text) == locale


def test_timezone_is_iana() -> None:
    assert fields.timezone(" Europe/Berlin ", "timezone") == "Europe/Berlin"
    assert fields.timezone("", "timezone") == ""
    with pytest.raises(FieldError, match="no IANA time zone"):
        fields.timezone("Berlin", "timezone")


def test_names_are_cut_to_what_the_table_holds() -> None:
    assert fields.short(f" {'x' * 300} ") == "x" * 200
