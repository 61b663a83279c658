"""The nodes and the command line write the same file for the same clip, model, settings and seed."""

import subprocess

import pytest

from motion_core.starter.folder import CLIP_FOLDER
from tests.host import graphs
from tests.host.graphs import Graph, out
from tests.host.live_host import PACK, find_python

PROMPT = "a red circle on a gray ground"
RECIPES = {"motion_inversion": "starter", "vmc": "starter", "motion_director": "published"}


@pytest.mark.parametrize("recipe", RECIPES)
def test_node_and_command_line_write_the_same_bytes(host, tmp_path, recipe):
    preset, options = RECIPES[recipe], {"steps": 3, "learning_rate": 0.01, "seed": 5}
    graph = Graph()
    model, latent = graphs.load(graph)
    reference = graphs.write(graph, model, PROMPT)
    if recipe == "motion_inversion":
        motion = graphs.train(graph, out(model), latent, reference, preset=preset, **options)
        graph.add("SaveMotionEmbedding", motion=out(motion), name=f"same/{recipe}")
        folder = "motion_embeddings"
    else:
        motion = graphs.train_adapter(
            graph, out(model), out(latent), reference, recipe=recipe, preset=preset, **{**options, "rank": 0}
        )
        graph.add("SaveMotionAdapter", adapter=out(motion), name=f"same/{recipe}", format="motion adapter")
        folder = "motion_adapters"
    host.run(graph)
    command = [
        find_python(host.root), "-m", "motion_core", "learn", "--recipe", recipe, "--preset", preset,
        "--prompt", PROMPT,
        "--reference", CLIP_FOLDER / "figure_eight.mp4", "--colourings", "1", "--out", tmp_path / "cli.safetensors",
        *(part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", value)),
    ]  # fmt: skip
    subprocess.run([str(part) for part in command], cwd=PACK, check=True, capture_output=True)
    node = host.work / "models" / folder / "same" / f"{recipe}.safetensors"
    assert (tmp_path / "cli.safetensors").read_bytes() == node.read_bytes()
