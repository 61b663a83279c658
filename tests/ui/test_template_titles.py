"""The titles of the pack's graphs in the frontend's template browser."""

import json
from contextlib import contextmanager

import pytest

from tests.host.live_host import PACK


def read_heading(path):
    """The first line of the note in a graph."""
    nodes = json.loads(path.read_text(encoding="utf-8"))["nodes"]
    note = next(node["widgets_values"][0] for node in nodes if node["type"] == "MarkdownNote")
    return note.splitlines()[0].lstrip("# ")


HEADINGS = {path.stem: read_heading(path) for path in sorted((PACK / "workflows").glob("*.json"))}


@contextmanager
def open_templates(page):
    """The cards of the pack's graphs in the template browser, which is closed at the end."""
    page.evaluate("() => window.app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    page.get_by_text("motion-inversion", exact=True).last.click()
    first = page.locator('[data-testid="template-workflow-00_starter_motion_transfer"]')
    first.wait_for(timeout=20_000)
    page.wait_for_timeout(1000)
    yield page.locator('[data-testid^="template-workflow-"]')
    if first.is_visible():
        page.keyboard.press("Escape")


@pytest.fixture
def cards(page):
    """The cards of the pack's graphs."""
    with open_templates(page) as found:
        yield found


def scroll(page, cards):
    """The browser shows more cards when the last one comes into view."""
    while cards.count() < len(HEADINGS):
        shown = cards.count()
        cards.last.scroll_into_view_if_needed()
        page.wait_for_timeout(1000)
        if cards.count() == shown:
            return


def test_each_graph_is_listed_once_by_the_heading_of_its_note_in_order(page, cards):
    scroll(page, cards)
    assert cards.locator("h3").all_inner_texts() == list(HEADINGS.values())


def test_each_card_has_its_graphs_picture(page, cards):
    scroll(page, cards)
    assert cards.count() == len(HEADINGS)
    for card in cards.all():
        card.scroll_into_view_if_needed()  # a picture is loaded when it comes into view
        picture = card.locator("img").first
        picture.wait_for(state="attached", timeout=20_000)
        assert picture.evaluate("async picture => { await picture.decode(); return picture.naturalWidth; }") > 0


def test_a_graph_is_found_by_what_its_description_says(page, cards):
    page.get_by_placeholder("Search").last.fill("nothing learnt")
    page.wait_for_timeout(1500)
    found = cards.locator("h3").all_inner_texts()
    page.get_by_placeholder("Search").last.fill("")
    assert {HEADINGS["64_dmt"], HEADINGS["65_motion_clone"]} <= set(found[:2])


def test_a_click_opens_the_graph(page, cards):
    page.evaluate("() => window.app.graph.clear()")
    cards.first.click()
    page.wait_for_timeout(3000)
    opened = page.evaluate("() => window.app.graph.nodes.map(node => node.type)")
    assert "TrainMotionEmbedding" in opened and "LoadReferenceVideo" in opened


def test_the_other_graphs_of_the_host_are_listed_as_before(page, host):
    listed = page.evaluate("() => window.app.api.getWorkflowTemplates()")
    listed_by_host = host.ask("/workflow_templates")
    assert listed == {pack: names for pack, names in listed_by_host.items() if pack != "motion-inversion"}
    categories = page.evaluate("() => window.app.api.getCoreWorkflowTemplates('xx')")  # falls back to English
    assert [entry["moduleName"] for entry in categories].count("motion-inversion") == 1
    assert len(categories) > 1
