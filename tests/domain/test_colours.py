"""Whatever colour a shop chooses, the words on its buttons can be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartctl.domain.colours import contrast, standing_out, text_on


@given(st.integers(0, 0xFFFFFF))
def test_every_colour_gets_text_that_stands_out(number: int) -> None:
    colour = f"#{number:06x}"
    assert contrast(colour, text_on(colour)) >= 4.5


@given(st.integers(0, 0xFFFFFF), st.integers(0, 0xFFFFFF), st.sampled_from([3.0, 4.5]))
def test_every_colour_is_brought_to_stand_out(number: int, behind: int, ratio: float) -> None:
    colour, background = f"#{number:06x}", f"#{behind:06x}"
    found = standing_out(colour, background, ratio)
    assert contrast(found, background) >= ratio
    assert found == colour or contrast(colour, background) < ratio, "a colour that can be read is kept"


@pytest.mark.parametrize(
    ("one", "other", "ratio"), [("#000000", "#ffffff", 21.0), ("#777777", "#ffffff", 4.48), ("#ff0000", "#ff0000", 1.0)]
)
def test_contrast_is_that_of_the_standard(one: str, other: str, ratio: float) -> None:
    assert contrast(one, other) == pytest.approx(ratio, abs=0.005)
