"""The repository's addresses in pyproject.toml, as the workflow that publishes fills them in."""

import pytest

from tools.fill_addresses import PYPROJECT, fill_addresses

tomllib = pytest.importorskip("tomllib", reason="Python 3.11 and later read TOML")
HOME = "https://github.com/someone/a-fork.of_it"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
OWN = PYPROJECT.read_text(encoding="utf-8")


def test_the_addresses_are_added_and_all_else_stays():
    filled, own = tomllib.loads(fill_addresses(OWN, HOME, COMMIT)), tomllib.loads(OWN)
    urls = filled["project"].pop("urls")
    assert urls["Repository"] == HOME and urls["Issues"] == f"{HOME}/issues"
    pictures = {"icon": filled["tool"]["comfy"].pop("Icon"), "banner": filled["tool"]["comfy"].pop("Banner")}
    assert filled == own
    for name, address in pictures.items():
        assert address == f"{HOME}/raw/{COMMIT}/assets/{name}.png"


def test_every_linked_file_is_in_the_repository():
    filled = tomllib.loads(fill_addresses(OWN, HOME, COMMIT))
    links = [*filled["project"]["urls"].values(), filled["tool"]["comfy"]["Icon"], filled["tool"]["comfy"]["Banner"]]
    files = [link.partition(f"/{COMMIT}/")[2] for link in links if COMMIT in link]
    assert len(files) == 4 and all((PYPROJECT.parent / file).is_file() for file in files), files


@pytest.mark.parametrize(
    "home", ["", "https://github.com/", "https://github.com/name", 'https://github.com/a/b"\nx = "', "file:///a/b"]
)
def test_a_page_that_is_none_is_refused(home):
    with pytest.raises(ValueError, match="set GITHUB_REPOSITORY to owner/name"):
        fill_addresses(OWN, home, COMMIT)


@pytest.mark.parametrize("commit", ["", "main", '0123456"'])
def test_a_commit_that_is_none_is_refused(commit):
    with pytest.raises(ValueError, match="set GITHUB_SHA"):
        fill_addresses(OWN, HOME, commit)


def test_a_file_with_addresses_is_not_filled_twice():
    with pytest.raises(ValueError, match="already"):
        fill_addresses(fill_addresses(OWN, HOME, COMMIT), HOME, COMMIT)
