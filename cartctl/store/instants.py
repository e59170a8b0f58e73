"""How a moment is stored: whole microseconds since 1970 UTC, and nothing without an offset."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import BigInteger, Dialect, TypeDecorator

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(instant: datetime) -> int:
    """Whole microseconds since 1970 UTC. Raises ValueError for a naive datetime."""
    if instant.tzinfo is None:
        raise ValueError("a naive datetime cannot be stored")
    return (instant - EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)


class UtcTime(TypeDecorator[datetime]):
    """An aware datetime, kept as microseconds since 1970 UTC. Refuses naive values."""

    impl = BigInteger
    cache_ok = True

    # SQLAlchemy's own detour over process_bind_param and process_result_value takes as long again as the work.
    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], int | None]:
        return _to_column

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[int | None], datetime | None]:
        return _from_column


def _to_column(value: datetime | None) -> int | None:
    return None if value is None else to_micros(value)


def _from_column(value: int | None) -> datetime | None:
    return None if value is None else EPOCH + timedelta(microseconds=value)
