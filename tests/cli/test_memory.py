"""A run's memory does not grow with what is due. `python -m tests.bench.memory` shows it for 200,000."""

import sys
from pathlib import Path

import pytest

from tests.bench.memory import MOST_GROWTH, peak
from tests.bench.provider import provider


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process's own peak")
@pytest.mark.parametrize(("few", "many"), [(100, 1000), pytest.param(10_000, 200_000, marks=pytest.mark.soak)])
def test_the_peak_stays_where_it_is(tmp_path: Path, few: int, many: int) -> None:
    with provider(tmp_path) as (host, ca_file):
        peaks = [peak(tmp_path, host, ca_file, f"sqlite:///{tmp_path / f'{due}.db'}", due) for due in (few, many)]
    assert peaks[1] <= peaks[0] * MOST_GROWTH
