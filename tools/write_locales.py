"""Writes `locales/LANGUAGE` from `locales/en` and a catalogue of translations.

`python -m tools.write_locales` writes all of them. `tools/translations/LANGUAGE.json` has a translation of each English
text. So a text that has changed in English has none any more, and is named.
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


def list_texts(node: Any) -> Iterator[str]:
    """Yields each text of a locale file, in its order."""
    if isinstance(node, str):
        yield node
    else:
        for child in node.values():
            yield from list_texts(child)


def translate(node: Any, catalogue: dict[str, str]) -> Any:
    """Returns a locale file with all texts replaced. Raises KeyError with a text that has no translation."""
    if isinstance(node, str):
        return catalogue[node]
    return {key: translate(child, catalogue) for key, child in node.items()}


def find_missing(catalogue: dict[str, str]) -> list[str]:
    """Lists the English texts without a translation."""
    texts = (text for name in FILES for text in list_texts(read_json(LOCALES / "en" / name)))
    return [text for text in dict.fromkeys(texts) if text not in catalogue]


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
