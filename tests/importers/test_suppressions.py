"""Lists of addresses: under which names the column is found, and that a reason never carries an address."""

import pytest

from cartctl.errors import InputFileError
from cartctl.importers.records import RowError
from cartctl.importers.suppressions import FILE_NAMES, Suppressed, read, recognise
from tests.importers.reading import csv_file

SENDGRID_BOUNCES = "status,reason,email,created\n5.1.1,550 <anna@example.com> unknown,anna@example.com,1772445600\n"
SENDGRID_SPAM = "email,created,ip\nanna@example.com,1772445600,192.0.2.1\n"
MAILCHIMP = 'Email Address,First Name,UNSUB_TIME,UNSUB_REASON\nAnna@Example.com,Anna,2026-01-02 10:00:00,"NORMAL"\n'


def found(text: str) -> list[tuple[str, str]]:
    lines = list(read(csv_file(text)))
    assert all(isinstance(line, Suppressed) for line in lines), lines
    return [(line.email, line.reason) for line in lines if isinstance(line, Suppressed)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (SENDGRID_BOUNCES, "550 <…@…> unknown"),
        (SENDGRID_SPAM, "imported"),
        (MAILCHIMP, "NORMAL"),
        ("E-Mail\nanna@example.com\n", "imported"),
        ("email_address,Reason\nanna@example.com,asked on the phone\n", "asked on the phone"),
        ("Name;E-Mail-Adresse;Reason\nAnna;anna@example.com;\n", "imported"),
        ("address\nanna@example.com\n", "imported"),
        ("Recipient,Address\nanna@example.com,1 Example Street\n", "imported"),
    ],
)
def test_the_column_of_addresses_is_found(text: str, reason: str) -> None:
    assert found(text) == [("anna@example.com", reason)]


def test_one_column_of_addresses_needs_no_header() -> None:
    assert found("anna@example.com\nBela@Example.com\n") == [
        ("anna@example.com", "imported"),
        ("bela@example.com", "imported"),
    ]


def test_the_first_of_a_list_without_header_may_be_wrong_too() -> None:
    first, second = read(csv_file("anna@\nbela@example.com\n"))
    assert isinstance(first, RowError)
    assert (first.row, first.raw) == (1, ("anna@",))
    assert second == Suppressed(2, "bela@example.com", "imported")


def test_a_file_without_addresses_is_refused() -> None:
    with pytest.raises(InputFileError, match="no column of addresses: name it"):
        list(read(csv_file("cart_id,updated_at\nc-1,2026-03-02T10:00:00Z\n")))


def test_rows_that_are_no_address_are_rejected() -> None:
    lines = list(read(csv_file("email,reason\nnobody,x\n,y\nanna@example.com,z\n")))
    assert [(line.row, line.column) for line in lines if isinstance(line, RowError)] == [(2, "email"), (3, "email")]


def test_a_long_reason_is_cut_to_what_the_table_holds() -> None:
    ((_, reason),) = found(f"email,reason\nanna@example.com,{'very ' * 40}long\n")
    assert len(reason) <= 80


@pytest.mark.parametrize(
    ("text", "sure"), [(SENDGRID_BOUNCES, True), (MAILCHIMP, True), (SENDGRID_SPAM, False), ("email,name\n", False)]
)
def test_a_list_of_customers_is_never_taken_for_one_of_refusals(text: str, sure: bool) -> None:
    assert recognise(csv_file(text).header) == sure


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("suppressions.csv", True),
        ("Suppression_List.csv", True),
        ("unsubscribes-2026.csv", True),
        ("bounces.csv", True),
        ("blocks.csv", False),  # a block is for now, not for good
        ("customers.csv", False),
        ("not-suppressions.csv", False),
    ],
)
def test_the_name_of_the_file_may_say_so(name: str, says: bool) -> None:
    assert bool(FILE_NAMES.match(name)) == says
