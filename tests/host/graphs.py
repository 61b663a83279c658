"""Graphs in API format, built node by node."""

from __future__ import annotations

from typing import Any

STARTER = "starter (comes with Motion Inversion)"
REFERENCE = "a red circle on a gray ground"


class Graph(dict[str, Any]):
    """A graph to be posted; `add` gives a node's name, `out` one of its outputs."""

    def add(self, kind: str, /, **inputs: Any) -> str:
        name = f"{kind} {sum(node['class_type'] == kind for node in self.values()) + 1}"
        self[name] = {"class_type": kind, "inputs": inputs}
        return name


def out(node: str, number: int = 0) -> list[Any]:
    return [node, number]


def defaults(host: Any, kind: str) -> dict[str, Any]:
    """What the widgets of a node of this host begin with, by name."""
    inputs = host.ask(f"/object_info/{kind}")[kind]["input"]
    every = {**inputs.get("required", {}), **inputs.get("optional", {})}
    return {name: values[1]["default"] for name, values in every.items() if len(values) > 1 and "default" in values[1]}


def load(graph: Graph, frames: int = 16, dtype: str = "as stored") -> tuple[str, str]:
    """The starter model and the reference through its autoencoder."""
    model = graph.add("LoadVideoDiffusionModel", model=STARTER, dtype=dtype)
    clip = load_clip(graph, frames=frames)
    return model, graph.add("VAEEncode", pixels=out(clip), vae=out(model, 2))


def write(graph: Graph, model: str, text: str) -> list[Any]:
    return out(graph.add("CLIPTextEncode", clip=out(model, 1), text=text))


def train(graph: Graph, model: list[Any], latent: str, positive: list[Any], **changes: Any) -> str:
    inputs: dict[str, Any] = {
        "preset": "starter",
        "steps": 3,
        "learning_rate": 0.0,
        "objective": "preset's",
        "sites": "preset's",
        "layout": "preset's",
        "memory": "preset's",
        "seed": 0,
        "colourings": 1,
    }
    return graph.add(
        "TrainMotionEmbedding", model=model, latent=out(latent), positive=positive, **{**inputs, **changes}
    )


def apply(graph: Graph, model: list[Any], motion: list[Any], **changes: Any) -> list[Any]:
    inputs = {"strength_qk": 1.0, "strength_v": 1.0, "branches": "both", "start": 0.0, "end": 1.0}
    return out(graph.add("ApplyMotionEmbedding", model=model, motion=motion, **{**inputs, **changes}))


def train_adapter(graph: Graph, model: list[Any], latent: list[Any], positive: list[Any], **changes: Any) -> str:
    inputs: dict[str, Any] = {
        "recipe": "motion_director", "preset": "published", "steps": 2, "learning_rate": 0.01, "rank": 4,
        "memory": "recipe's", "seed": 0,
    }  # fmt: skip
    return graph.add("TrainMotionAdapter", model=model, latent=latent, positive=positive, **{**inputs, **changes})


def apply_adapter(graph: Graph, model: list[Any], adapter: list[Any], **changes: Any) -> list[Any]:
    inputs = {"strength": 1.0, "start": 0.0, "end": 1.0, "parts": "all"}
    return out(graph.add("ApplyMotionAdapter", model=model, adapter=adapter, **{**inputs, **changes}))


def guide(graph: Graph, model: list[Any], latent: str, positive: list[Any], **changes: Any) -> list[Any]:
    inputs: dict[str, Any] = {
        "method": "motion_clone", "preset": "starter", "strength": 1.0, "start": -1.0, "end": -1.0,
        "block": "preset's", "memory": "preset's", "seed": 0,
    }  # fmt: skip
    return out(graph.add("MotionGuidance", model=model, latent=out(latent), positive=positive, **{**inputs, **changes}))


def load_clip(graph: Graph, **changes: Any) -> str:
    """An example clip, whole, as it is; `changes` are other widgets."""
    usual = {"video": "example: figure_eight.mp4", "frames": 16, "start": 0, "every": 1, "width": 64, "height": 64,
             "fit": "crop", "reversed": False}  # fmt: skip
    return graph.add("LoadReferenceVideo", **{**usual, **changes})


def sample(graph: Graph, model: list[Any], positive: list[Any], negative: list[Any], **changes: Any) -> list[Any]:
    frames = changes.pop("frames", 16)
    empty = graph.add("EmptyLatentImage", width=64, height=64, batch_size=frames)
    inputs = {
        "seed": 1,
        "steps": 3,
        "cfg": 6.0,
        "sampler_name": "ddim",
        "scheduler": "ddim_uniform",
        "denoise": 1.0,
        "latent_image": out(empty),
    }
    return out(graph.add("KSampler", model=model, positive=positive, negative=negative, **{**inputs, **changes}))


def sample_from(
    graph: Graph, model: list[Any], positive: list[Any], negative: list[Any], latent: list[Any], steps: int
):
    """KSampler (Advanced) with added noise off: it starts from the latent itself."""
    return out(
        graph.add(
            "KSamplerAdvanced",
            model=model,
            add_noise="disable",
            noise_seed=0,
            steps=steps,
            cfg=6.0,
            sampler_name="ddim",
            scheduler="ddim_uniform",
            positive=positive,
            negative=negative,
            latent_image=latent,
            start_at_step=0,
            end_at_step=1000,
            return_with_leftover_noise="disable",
        )
    )


def sample_custom(
    graph: Graph,
    model: list[Any],
    positive: list[Any],
    negative: list[Any],
    noise: list[Any],
    steps: int,
    frames: int = 16,
) -> list[Any]:
    """The host's chain of custom sampling, from a NOISE."""
    return out(
        graph.add(
            "SamplerCustomAdvanced",
            noise=noise,
            guider=out(graph.add("CFGGuider", model=model, positive=positive, negative=negative, cfg=6.0)),
            sampler=out(graph.add("KSamplerSelect", sampler_name="ddim")),
            sigmas=out(graph.add("BasicScheduler", model=model, scheduler="ddim_uniform", steps=steps, denoise=1.0)),
            latent_image=out(graph.add("EmptyLatentImage", width=64, height=64, batch_size=frames)),
        )
    )


def probe(graph: Graph, value: list[Any]) -> str:
    return graph.add("ProbeDigest", value=value)
