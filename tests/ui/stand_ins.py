"""Small files in place of the models and pictures that the shared graphs name, so that the frontend misses none."""

from __future__ import annotations

from PIL import Image

from tests.host import graphs
from tests.host.live_host import ANIMATEDIFF, LiveHost
from tests.host.wan_files import write_text_encoder, write_wan

WAN_MODELS = (
    "wan2.1_t2v_1.3B_fp16.safetensors",
    "wan2.2_i2v_high_noise_14B_fp8_scaled.safetensors",
    "wan2.2_i2v_low_noise_14B_fp8_scaled.safetensors",
)
PICTURE = "example.png"
"""ComfyUI comes with one."""


def write_stand_ins(host: LiveHost) -> None:
    if ANIMATEDIFF in host.packs:
        graph = graphs.Graph()
        graphs.probe(graph, graphs.out(graph.add("ProbeText", text="")))
        host.run(graph)  # the first run writes the tiny files that stand in for real ones
    models = host.work / "models"
    write_wan(models, WAN_MODELS, "wan_2.1_vae.safetensors")
    write_text_encoder(models, "umt5_xxl_fp8_e4m3fn_scaled.safetensors")
    Image.new("RGB", (64, 64), "red").save(host.work / "input" / PICTURE)
