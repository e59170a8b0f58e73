"""Money is exact, in one currency, and never a float."""

import contextlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartctl.domain.money import (
    CURRENCIES,
    MAX_AMOUNT,
    UNKNOWN_CURRENCY,
    AmbiguousAmountError,
    CurrencyError,
    Money,
    check_currency,
    decimal_sign,
    exponent,
    parse_amount,
    read_amount,
    total,
)

currencies = st.sampled_from(sorted(CURRENCIES))
minors = st.integers(0, 10**15)
EUR = "EUR"


@given(minors, currencies)
def test_minor_units_come_back(minor: int, currency: str) -> None:
    assert Money.from_minor(minor, currency).minor == minor


@given(minors, currencies)
def test_what_is_written_is_read_again(minor: int, currency: str) -> None:
    money = Money.from_minor(minor, currency)
    assert Money.of(Decimal(str(money)), currency) == money


@given(st.decimals(0, 10**12, allow_nan=False, places=6), currencies)
def test_rounding_is_to_the_nearest_minor_unit(amount: Decimal, currency: str) -> None:
    money = Money.of(amount, currency)
    assert abs(money.amount - amount) * 2 <= Decimal(1).scaleb(-exponent(currency))
    assert Money.from_minor(money.minor, currency) == money


@pytest.mark.parametrize(("amount", "rounded"), [("0.125", "0.12"), ("0.135", "0.14"), ("0.1250001", "0.13")])
def test_a_half_is_rounded_to_even(amount: str, rounded: str) -> None:
    assert str(Money.of(Decimal(amount), EUR)) == rounded


@pytest.mark.parametrize(
    ("currency", "minor", "text"),
    [("EUR", 4990, "49.90"), ("JPY", 500, "500"), ("KWD", 1500, "1.500"), ("CLF", 12345, "1.2345"), ("XXX", 5, "0.05")],
)
def test_decimals_follow_iso_4217(currency: str, minor: int, text: str) -> None:
    assert str(Money.from_minor(minor, currency)) == text
    assert Money.of(Decimal(text), currency).minor == minor


def test_only_the_currencies_of_the_list_differ_from_two_decimals() -> None:
    assert {code for code in CURRENCIES if exponent(code) == 0} == set(
        "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split()
    )
    assert {code for code in CURRENCIES if exponent(code) == 3} == set("BHD IQD JOD KWD LYD OMR TND".split())
    assert {code for code in CURRENCIES if exponent(code) == 4} == {"CLF", "UYW"}


@given(minors, minors, currencies, currencies)
def test_two_currencies_are_never_added(one: int, other: int, first: str, second: str) -> None:
    if first == second:
        assert (Money.from_minor(one, first) + Money.from_minor(other, second)).minor == one + other
    else:
        with pytest.raises(CurrencyError, match=f"{first} and {second} cannot be added"):
            Money.from_minor(one, first) + Money.from_minor(other, second)


@given(minors, st.integers(0, 10_000), currencies)
def test_so_many_pieces_cost_so_much(minor: int, quantity: int, currency: str) -> None:
    assert (Money.from_minor(minor, currency) * quantity).minor == minor * quantity


@given(st.lists(minors), currencies)
def test_a_total_is_the_sum_of_the_minor_units(amounts: list[int], currency: str) -> None:
    assert total((Money.from_minor(minor, currency) for minor in amounts), currency).minor == sum(amounts)


def test_a_total_of_mixed_currencies_is_refused() -> None:
    with pytest.raises(CurrencyError):
        total([Money.from_minor(1, "USD")], EUR)


@pytest.mark.parametrize("code", ["eur", " EUR ", "Eur"])
def test_a_currency_is_read_in_any_case(code: str) -> None:
    assert check_currency(code) == EUR
    assert check_currency(UNKNOWN_CURRENCY) == UNKNOWN_CURRENCY


@pytest.mark.parametrize("code", ["EURO", "€", "", "EU", "ABC"])
def test_what_is_no_currency_is_refused(code: str) -> None:
    with pytest.raises(CurrencyError) as refused:
        check_currency(code)
    assert str(refused.value) == f'"{code}" is no ISO 4217 currency code (three letters, such as EUR)'


@pytest.mark.parametrize(
    ("text", "amount"),
    [("1234.50", "1234.50"), (" 12 ", "12"), ("+3", "3"), (".5", "0.5"), ("5.", "5"), ("0", "0"), ("-0.00", "0.00")],
)
def test_plain_decimals_are_read(text: str, amount: str) -> None:
    assert str(parse_amount(text)) == amount


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "1,50",
        "1.234,50",
        "1_000",
        "1E+3",
        "1e3",
        "NaN",
        "Infinity",
        "-inf",
        "€5",
        "5 EUR",
        "1 000",
        "٣",
        ".",
    ],
)
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no number \(1234.50 is\)$"):
        parse_amount(text)


def test_negative_and_absurd_amounts_are_refused() -> None:
    with pytest.raises(ValueError, match=r'^"-1\.50" is negative$'):
        parse_amount("-1.50")
    with pytest.raises(ValueError, match=r'^"4930123456789" is too large to be a price$'):
        parse_amount("4930123456789")
    assert parse_amount(str(MAX_AMOUNT)) == MAX_AMOUNT


@given(st.decimals(0, MAX_AMOUNT, allow_nan=False, places=4))
def test_every_amount_that_was_written_plainly_is_read(amount: Decimal) -> None:
    assert parse_amount(f"{amount:f}") == amount


@given(st.text(max_size=12))
def test_any_text_is_an_amount_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert 0 <= parse_amount(text) <= MAX_AMOUNT


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1234.50", "1234.50"),
        (" 49.9 ", "49.9"),
        ("1,234.50", "1234.50"),
        ("1.234,56 €", "1234.56"),
        ("US$ 1,234.50", "1234.50"),
        ("CHF 1'234.50", "1234.50"),
        ("CHF 1’234.50", "1234.50"),
        ("1 234,56", "1234.56"),
        ("1\N{NO-BREAK SPACE}234\N{NO-BREAK SPACE}567,8 kr", "1234567.8"),
        ("1\N{NARROW NO-BREAK SPACE}234 zł", "1234"),
        ("৳2,999", "2999"),
        ("$1.234", "1234"),
        ("Rs.1,23,456.00", "123456"),
        ("R$ 12,50", "12.50"),
        ("12 EUR", "12"),
        ("12.-", "12"),
        ("12,--", "12"),
        ("1,234,567", "1234567"),
        ("1.234.567", "1234567"),
        ("1234,567", "1234.567"),
        ("0,500", "0.500"),
        ("0.500", "0.500"),
        (",5", "0.5"),
        ("-0.00", "0"),
    ],
)
def test_amounts_are_read_as_each_country_writes_them(text: str, amount: str) -> None:
    assert read_amount(text) == Decimal(amount)


@pytest.mark.parametrize(
    "text",
    [
        *("", "€", "free", "5x", "$$5", "EUR 5 EUR", "1,2,3", "1..2", "1 2", "1,2345.6", "1'2", "12,34,5", "5 -"),
        *("1e3", "1_000", "NaN", "Infinity", "٣", "-5", "$-5", "-$5", "--5", "10000000000001", "1" * 61, "1.234,56.7"),
    ],
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is (no number|negative|too large)"):
        read_amount(text)


@pytest.mark.parametrize(("text", "point", "comma"), [("1,234", "1234", "1.234"), ("12.345", "12.345", "12345")])
def test_three_digits_behind_one_sign_are_read_as_their_column_is(text: str, point: str, comma: str) -> None:
    with pytest.raises(AmbiguousAmountError, match=rf'^"{text}" may be \d+ or \d+\.\d+'):
        read_amount(text)
    assert (read_amount(text, "."), read_amount(text, ",")) == (Decimal(point), Decimal(comma))


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        *(("2,50", ","), ("2.50", "."), ("1.234,56", ","), ("1,234.56", "."), ("1,234,567", "."), ("1.234.567", ",")),
        *(("1 234,567", ","), ("€ 0,500", ","), ("1,234", ""), ("1.234", ""), ("12", ""), ("1 234", ""), ("x", "")),
    ],
)
def test_decimal_sign_is_told_by_an_amount_that_can_be_read_in_one_way_only(text: str, sign: str) -> None:
    assert decimal_sign(text) == sign


@given(st.decimals(0, 10**11, places=2), st.sampled_from([(",", "."), (".", ","), (" ", ","), ("'", "."), ("", ".")]))
def test_every_amount_comes_back_whatever_its_signs(amount: Decimal, signs: tuple[str, str]) -> None:
    thousands, decimal = signs
    text = f"{amount:,.2f}".replace(",", "t").replace(".", decimal).replace("t", thousands)
    assert read_amount(text) == read_amount(f"€ {text}") == amount


@given(st.text(max_size=12) | st.text("0123456789.,' -+€kr", max_size=12))
def test_any_text_is_an_amount_or_refused(text: str) -> None:
    for decimal in ("", ".", ","):
        with contextlib.suppress(ValueError):
            assert 0 <= read_amount(text, decimal) <= MAX_AMOUNT
