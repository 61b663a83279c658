"""Writes `locales/LANGUAGE` from `locales/en` and a catalogue of translations.

`python -m tools.write_locales` writes all of them. `tools/translations/LANGUAGE.json` has a translation of each English
text. So a text that has changed in English has none any more, and is named. Where a word means something else in one
node, the catalogue has `NODE: word` too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCALES = ROOT / "locales"
CATALOGUES = ROOT / "tools" / "translations"
FILES = ("main.json", "nodeDefs.json")


def list_languages() -> list[str]:
    return sorted(path.stem for path in CATALOGUES.glob("*.json"))


def read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


Texts = Iterator[tuple[str, str]]


def list_texts(node: Any, place: str = "") -> Texts:
    """Yields each text of a locale file with its place, the topmost key above it, in their order."""
    if isinstance(node, str):
        yield place, node
    else:
        for key, child in node.items():
            yield from list_texts(child, place or key)


def list_english() -> Texts:
    """Yields each English text with its place."""
    for name in FILES:
        yield from list_texts(read_json(LOCALES / "en" / name))


def translate(node: Any, catalogue: dict[str, str], place: str = "") -> Any:
    """Returns a locale file with all texts replaced. Raises KeyError with a text that has no translation."""
    if isinstance(node, str):
        return catalogue.get(name_place(place, node)) or catalogue[node]
    return {key: translate(child, catalogue, place or key) for key, child in node.items()}


def name_place(place: str, text: str) -> str:
    return f"{place}: {text}"


def find_missing(catalogue: dict[str, str]) -> list[str]:
    """Lists the English texts without a translation."""
    texts = (text for place, text in list_english() if name_place(place, text) not in catalogue)
    return [text for text in dict.fromkeys(texts) if text not in catalogue]


def find_unused(catalogue: dict[str, str]) -> list[str]:
    """Lists what the catalogue translates and no English file has."""
    used = {key for place, text in list_english() for key in (text, name_place(place, text))}
    return [text for text in catalogue if text not in used]


def write_locale(language: str) -> None:
    """Writes the files of a language. Exits where a text has no translation."""
    catalogue = read_json(CATALOGUES / f"{language}.json")
    if missing := find_missing(catalogue):
        raise SystemExit(f"tools/translations/{language}.json lacks:\n" + json.dumps(missing, indent=2))
    (LOCALES / language).mkdir(exist_ok=True)
    for name in FILES:
        texts = translate(read_json(LOCALES / "en" / name), catalogue)
        content = json.dumps(texts, indent=2, ensure_ascii=False) + "\n"
        (LOCALES / language / name).write_text(content, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    for language in list_languages():
        write_locale(language)
