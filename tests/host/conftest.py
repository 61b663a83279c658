"""One live host for all tests that need it."""

import pytest

from tests.host.live_host import HOW_TO_GET_ONE, LiveHost, find_host


@pytest.fixture(scope="session")
def host(tmp_path_factory):
    root = find_host()
    if root is None:
        pytest.skip(HOW_TO_GET_ONE)
    live = LiveHost(root, tmp_path_factory.mktemp("host"))
    live.start()
    yield live
    live.stop()
