"""The frontend in a browser, for every test of it."""

import pytest

from tests.ui import browser
from tests.ui.stand_ins import write_stand_ins


@pytest.fixture(scope="module")
def page(host):
    pytest.importorskip("playwright", reason=browser.HOW_TO_GET_ONE)
    executable = browser.find_browser()
    if executable is None:
        pytest.skip(browser.HOW_TO_GET_ONE)
    write_stand_ins(host)
    with browser.open_frontend(host.address, executable) as opened:
        yield opened
