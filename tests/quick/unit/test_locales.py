"""The texts in other languages: none is missing, none is left in English by mistake."""

import re

import pytest

from tests.host.live_host import PACK
from tools.write_locales import (
    CATALOGUES,
    FILES,
    LOCALES,
    find_missing,
    find_unused,
    list_languages,
    list_texts,
    read_json,
    translate,
)

LANGUAGES = ("de", "es", "fr", "ja", "ko", "ru", "zh")
LETTERS = {
    "ja": r"[\u3040-\u30ff\u4e00-\u9fff]",
    "ko": r"[\uac00-\ud7af]",
    "ru": r"[\u0400-\u04ff]",
    "zh": r"[\u4e00-\u9fff]",
}
"""Of scripts of their own."""
CHOICES = r"(?<![\w'])(official|paper|crop|pad|both|conditional|starter|preset's|motion's)(?=:)"


def read_catalogue(language):
    return read_json(CATALOGUES / f"{language}.json")


def test_the_languages_are_those_of_the_host():
    assert tuple(list_languages()) == LANGUAGES
    assert sorted(path.name for path in LOCALES.iterdir()) == sorted(("en", *LANGUAGES))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated_and_written(language):
    catalogue = read_catalogue(language)
    assert find_missing(catalogue) == []
    assert find_unused(catalogue) == []
    for name in FILES:  # `python -m tools.write_locales` writes them
        assert read_json(LOCALES / language / name) == translate(read_json(LOCALES / "en" / name), catalogue)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_is_left_in_english(language):
    for english, text in read_catalogue(language).items():
        if re.search(r"\w \w.*\w\.", english):
            assert text != english
            assert re.search(LETTERS.get(language, "."), text), text


@pytest.mark.parametrize("language", ("en", *LANGUAGES))
def test_no_text_holds_what_the_frontend_would_replace(language):
    """vue-i18n reads braces, @ and | in a message."""
    for name in FILES:
        for _, text in list_texts(read_json(LOCALES / language / name)):
            assert not re.search(r"[{}@|]", text) and text == text.strip() and text, text


@pytest.mark.parametrize("language", LANGUAGES)
def test_values_that_a_widget_has_are_named_as_it_shows_them(language):
    """Choices stay in English, so that what a text says of them is found."""
    for english, text in read_catalogue(language).items():
        for choice in re.findall(
            r"(?<![\w'])(official|paper|crop|pad|both|conditional|starter|preset's|motion's)(?=:)", english
        ):
            assert choice in text, (choice, text)


def test_every_graph_has_a_title_and_a_description():
    graphs = {path.stem for path in (PACK / "workflows").glob("*.json")}
    texts = read_json(LOCALES / "en" / "main.json")["templateWorkflows"]
    assert set(texts["template"]["Motion Inversion"]) == graphs
    assert set(texts["templateDescription"]["Motion Inversion"]) == graphs
