"""Writes the addresses of the repository into `pyproject.toml`, where the registry reads them.

`python -m tools.fill_addresses` takes the repository and the commit from the variables that GitHub sets in a workflow:
GITHUB_REPOSITORY, GITHUB_SHA and, on a server of one's own, GITHUB_SERVER_URL. The file in the repository names no
address, so that a fork never publishes another one's.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
HEAD = "[tool.comfy]\n"
"""The table before which the links go, and at whose head the pictures' addresses go."""
LINKS = """[project.urls]
Repository = "{home}"
Documentation = "{home}/blob/{commit}/docs/nodes.md"
Changelog = "{home}/blob/{commit}/CHANGELOG.md"
Issues = "{home}/issues"

"""
PICTURES = """Icon = "{home}/raw/{commit}/assets/icon.png"
Banner = "{home}/raw/{commit}/assets/banner.png"
"""


def fill_addresses(text: str, home: str, commit: str) -> str:
    """Returns the text of a pyproject.toml with the addresses in it. home: the repository's page.

    Raises ValueError for a text that has addresses already or is not of this project, and for a home or commit that is
    no plain one.
    """
    if not re.fullmatch(r"https://[\w.:-]+/[\w.-]+/[\w.-]+", home):
        raise ValueError(f"the repository's page is {home!r}; set GITHUB_REPOSITORY to owner/name")
    if not re.fullmatch(r"[0-9a-f]{7,64}", commit):
        raise ValueError(f"the commit is {commit!r}; set GITHUB_SHA to its hexadecimal name")
    if "[project.urls]" in text or text.count(HEAD) != 1:
        raise ValueError(f"pyproject.toml has [project.urls] already, or not one line {HEAD.strip()}; put it right")
    filled = (LINKS + HEAD + PICTURES).format(home=home, commit=commit)
    return text.replace(HEAD, filled)


def main() -> None:
    server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
    home = f"{server}/{os.environ.get('GITHUB_REPOSITORY', '')}"
    filled = fill_addresses(PYPROJECT.read_text(encoding="utf-8"), home, os.environ.get("GITHUB_SHA", ""))
    PYPROJECT.write_text(filled, encoding="utf-8")
    print(f"{PYPROJECT.name} names {home}")


if __name__ == "__main__":
    main()
