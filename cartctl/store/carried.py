"""Which messages belong to which of several transports."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, select

from cartctl.store.tables import enrollments, messages


@dataclass(frozen=True, slots=True)
class Carried:
    """Which messages one of several transports carries: those of these sequences, or of all others."""

    sequences: frozenset[str]
    but_not: bool = False

    @property
    def condition(self) -> ColumnElement[bool]:
        named = enrollments.c.sequence.in_(sorted(self.sequences))
        theirs = select(enrollments.c.id).where(enrollments.c.id == messages.c.enrollment_id, named)
        return ~theirs.exists() if self.but_not else theirs.exists()
