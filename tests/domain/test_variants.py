import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartctl.domain.variants import candidates, fallbacks, locale_of


@pytest.mark.parametrize(
    ("segment", "locale", "names"),
    [
        ("", "", ["offer"]),
        ("", "de", ["offer.de", "offer"]),
        ("", "de_AT", ["offer.de_AT", "offer.de", "offer"]),
        ("", "en_GB", ["offer.en_GB", "offer"]),
        ("", "en", ["offer"]),
        ("urgent", "", ["offer@urgent", "offer"]),
        ("urgent", "de", ["offer@urgent.de", "offer.de", "offer@urgent", "offer"]),
        (
            "urgent",
            "de_AT",
            ["offer@urgent.de_AT", "offer@urgent.de", "offer.de_AT", "offer.de", "offer@urgent", "offer"],
        ),
        ("urgent", "en_GB", ["offer@urgent.en_GB", "offer@urgent", "offer.en_GB", "offer"]),
        ("urgent", "en", ["offer@urgent", "offer"]),
    ],
)
def test_a_text_that_can_be_read_comes_before_one_for_the_segment(segment: str, locale: str, names: list[str]) -> None:
    assert candidates("offer", segment, locale) == tuple(names)


def test_the_language_of_a_sequence_is_that_of_names_without_one() -> None:
    assert candidates("offer", "", "de_AT", language="de") == ("offer.de_AT", "offer")
    assert candidates("offer", "", "de", language="de") == ("offer",)
    assert candidates("offer", "", "en_US", language="de") == ("offer.en_US", "offer.en", "offer")


@pytest.mark.parametrize(
    ("locale", "found"),
    [
        ("de-at", ["de_AT", "de"]),
        ("DE_AT", ["de_AT", "de"]),
        ("zh-hant-tw", ["zh_Hant_TW", "zh_Hant", "zh"]),
        ("es_419", ["es_419", "es"]),
        ("", []),
        ("d", []),
        ("de_", []),
        ("de.DE", []),
        ("de_DE.UTF-8", []),
        ("../../secret", []),
        ("de/../x", []),
        ("de\n", []),
    ],
)
def test_a_locale_is_read_as_shops_write_it(locale: str, found: list[str]) -> None:
    assert fallbacks(locale) == tuple(found)


@given(segment=st.sampled_from(["", "urgent"]), locale=st.text(max_size=12), language=st.sampled_from(["en", "de"]))
def test_whatever_the_locale_the_last_resort_is_the_text_for_all(segment: str, locale: str, language: str) -> None:
    names = candidates("offer", segment, locale, language=language)
    assert names[-1] == "offer"
    assert len(set(names)) == len(names)
    assert all(set(locale_of(name)) <= set(fallbacks(locale)[0] if fallbacks(locale) else "") for name in names)
