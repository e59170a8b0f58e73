"""Expressions over attributes: the sandbox says what is true, and nothing else."""

import pytest

from cartctl.errors import TemplateError
from cartctl.mail.expressions import holds, names_in


@pytest.mark.parametrize(
    ("expression", "true"),
    [("red >= 2", False), ("red == 1 or orange >= 2", True), ("red + orange == 8", True), ("name == 'Anna'", True)],
)
def test_an_expression_is_true_or_not(expression: str, true: bool) -> None:
    assert holds(expression, {"red": 1, "orange": 7, "name": "Anna"}) == true


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("rde >= 2", "'rde' is undefined"),
        ("red >=", "unexpected"),
        ("red / 0 > 1", "ZeroDivisionError"),
        ("name > 2", "TypeError"),
        ("red.__class__.__mro__", "access to attribute '__class__' of 'int' object is unsafe"),
    ],
)
def test_what_cannot_be_said_is_refused(expression: str, fault: str) -> None:
    with pytest.raises(TemplateError) as refused:
        holds(expression, {"red": 1, "name": "Anna"})
    assert fault in str(refused.value).replace("Expected an expression, got", "unexpected")
    assert str(refused.value).startswith(f'"{expression}": ')


def test_the_names_in_it_are_known_beforehand() -> None:
    assert names_in("red == 1 or (orange >= 2 and today is defined)") == {"red", "orange", "today"}
    with pytest.raises(TemplateError):
        names_in("red ==")
