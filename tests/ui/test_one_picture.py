"""A picture that a node sends while it runs, and hands out at its end, is drawn once."""

import json

from tests.host.live_host import PACK
from tests.ui import browser

FIRST = PACK / "workflows" / "00_starter_motion_transfer.json"


def test_vue_draws_the_loss_once_after_learning_and_after_a_cached_run(page, host):
    graph = json.loads(FIRST.read_text(encoding="utf-8"))
    trained = next(node["id"] for node in graph["nodes"] if node["type"] == "TrainMotionEmbedding")
    browser.draw_by_vue(page, True)
    drawn = []
    for _ in range(2):
        browser.load(page, graph)
        browser.run(page, host, steps=4)  # as in no other test, so that the first run does learn
        drawn.append(page.locator(f'[data-node-id="{trained}"] img').count())
    browser.draw_by_vue(page, False)
    assert drawn == [1, 1]
