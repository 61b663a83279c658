"""The frontend in a browser, for every test of it."""

import pytest
from PIL import Image

from tests.host import graphs
from tests.host.live_host import ANIMATEDIFF
from tests.host.wan_files import write_text_encoder, write_wan
from tests.ui import browser

WAN_MODELS = (
    "wan2.1_t2v_1.3B_fp16.safetensors",
    "wan2.2_i2v_high_noise_14B_fp8_scaled.safetensors",
    "wan2.2_i2v_low_noise_14B_fp8_scaled.safetensors",
)
"""What the shared graphs load. Small weights stand in for them."""


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
    models = host.work / "models"
    write_wan(models, WAN_MODELS, "wan_2.1_vae.safetensors")
    write_text_encoder(models, "umt5_xxl_fp8_e4m3fn_scaled.safetensors")
    picture = host.work / "input" / "example.png"
    Image.new("RGB", (64, 64), "red").save(picture)  # ComfyUI comes with one
    with browser.open_frontend(host.address, executable) as opened:
        yield opened
    picture.unlink()
