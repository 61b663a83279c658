"""The pack's graphs in the frontend's template browser."""

from tests.host.live_host import PACK

NAMES = sorted(path.stem for path in (PACK / "workflows").glob("*.json"))


def test_the_host_lists_the_graphs_in_the_order_of_their_names(host):
    assert host.ask("/workflow_templates")["motion-inversion"] == NAMES
    assert host.ask("/api/workflow_templates")["motion-inversion"] == NAMES


def test_a_newcomer_meets_the_starters_graph_first(page):
    page.evaluate("() => window.app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    page.get_by_text("motion-inversion", exact=True).last.click()
    cards = page.locator('[data-testid^="template-workflow-"]')
    cards.first.wait_for(timeout=20_000)
    page.wait_for_timeout(1000)
    shown = [card.get_attribute("data-testid").removeprefix("template-workflow-") for card in cards.all()]
    page.keyboard.press("Escape")
    assert shown[: len(NAMES)] == NAMES[: len(shown)] and shown[0] == "00_starter_motion_transfer"
