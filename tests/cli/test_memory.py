"""A run's memory does not grow with what is due. `python -m tests.bench.memory` shows it for 200,000."""

import sys
from pathlib import Path

import pytest

from tests.bench.memory import MOST_GROWTH, peak
from tests.bench.provider import provider


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process's own peak")
@pytest.mark.parametrize(
    ("few", "many", "longer"), [(100, 1000, 20_000), pytest.param(10_000, 200_000, 0, marks=pytest.mark.soak)]
)
def test_the_peak_stays_where_it_is(tmp_path: Path, few: int, many: int, longer: int) -> None:
    """With `-v`. The lines of a thousand mails would not be seen, were they not long."""
    peaks = []
    with provider(tmp_path) as (host, ca_file):
        for due in (few, many):
            url = f"sqlite:///{tmp_path / f'{due}.db'}"
            peaks.append(peak(tmp_path, host, ca_file, url, due, longer=longer))
    assert peaks[1] <= peaks[0] * MOST_GROWTH
