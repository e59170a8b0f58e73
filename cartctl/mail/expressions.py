"""Expressions of a sequence.toml over a contact's attributes (`red == 1 or orange >= 2`): Jinja2's, in its sandbox."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, nodes
from jinja2 import TemplateError as JinjaError
from jinja2.sandbox import SandboxedEnvironment

from cartctl.errors import TemplateError

_ENVIRONMENT = SandboxedEnvironment(undefined=StrictUndefined)


def holds(expression: str, values: Mapping[str, Any]) -> bool:
    """Say whether an expression is true of these values. Raises TemplateError."""
    try:
        return bool(_compiled(expression)(**values))
    except Exception as error:  # noqa: BLE001 - an expression can raise anything (division by zero, a wrong filter)
        fault = str(error) if isinstance(error, JinjaError) else f"{type(error).__name__}: {error}"
        raise TemplateError(f'"{expression}": {fault}') from None


def names_in(expression: str) -> frozenset[str]:
    """Return the names that an expression asks for. Raises TemplateError where it is none."""
    try:
        tree = _ENVIRONMENT.parse(f"{{{{ {expression} }}}}")
    except TemplateSyntaxError as error:
        raise TemplateError(f'"{expression}": {error.message}') from None
    return frozenset(name.name for name in tree.find_all(nodes.Name) if name.ctx == "load")


@lru_cache(maxsize=256)
def _compiled(expression: str) -> Callable[..., Any]:
    return _ENVIRONMENT.compile_expression(expression, undefined_to_none=False)
