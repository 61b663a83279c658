"""The frontend in a browser, for every test of it."""

import pytest

from tests.host import graphs
from tests.host.live_host import ANIMATEDIFF
from tests.ui import browser


@pytest.fixture(scope="module")
def page(host):
    pytest.importorskip("playwright", reason=browser.HOW_TO_GET_ONE)
    executable = browser.find_browser()
    if executable is None:
        pytest.skip(browser.HOW_TO_GET_ONE)
    if ANIMATEDIFF in host.packs:
        graph = graphs.Graph()
        graphs.probe(graph, graphs.out(graph.add("ProbeText", text="")))
        host.run(graph)  # the first run writes the tiny files that stand in for real ones
    with browser.open_frontend(host.address, executable) as opened:
        yield opened
