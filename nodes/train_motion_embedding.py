"""TrainMotionEmbedding: trains a motion embedding on one clip, on the MODEL that will sample."""

from __future__ import annotations

import logging
from typing import Any

import torch
from comfy_api.latest import io

from ..motion_core.diffusion.objectives import OBJECTIVES
from ..motion_core.diffusion.timesteps import TimestepSampler, parse_timesteps
from ..motion_core.memory.modes import MEMORY_MODES
from ..motion_core.models.sites import SITE_CHOICES
from ..motion_core.motions.embedding_file import LAYOUTS
from ..motion_core.recipes.catalogue import RECIPES, find_recipe
from ..motion_core.video.pictures.recolouring import COLOURINGS
from .choice import retired
from .host.latents import split_clips
from .host.previews import preview_curve, preview_text
from .host.references import CaptionedLatents
from .host.training import describe, train_on_model
from .newer_host import advanced, if_known
from .sockets import MotionEmbeddingSocket

logger = logging.getLogger(__name__)

RECIPE = "motion_inversion"
OF_PRESET = "preset's"
"""The value of the preset."""
SWITCH = {OF_PRESET: None, "on": True, "off": False}
GONE = "Does nothing any more; kept for old graphs."


class TrainMotionEmbedding(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="TrainMotionEmbedding",
            display_name="Train Motion Embedding",
            category="motion inversion",
            description="Learns the motion of one clip. The model stays as it is; Cancel works at every step.",
            **if_known(
                search_aliases=["learn motion", "motion inversion", "motion transfer", "copy movement"],
                has_intermediate_output=True,
            ),
            hidden=[io.Hidden.unique_id],
            inputs=[
                io.Model.Input("model", tooltip="The model that will also sample."),
                io.Latent.Input("latent", tooltip="The reference clip through VAE Encode: its frames are the batch."),
                io.Conditioning.Input(
                    "positive",
                    tooltip="What the reference shows, so that its appearance need not be learnt with the motion.",
                ),
                io.Combo.Input(
                    "preset",
                    options=list(RECIPES[RECIPE]),
                    default="official",
                    tooltip="official: a good start. paper: longer and faster, for motion that does not come through. "
                    "camera: camera motion. fast: a first look. starter: for the starter model.",
                ),
                io.Int.Input("steps", default=0, min=0, max=100_000, tooltip="Steps of learning; 0: the preset's."),
                advanced(
                    io.Float.Input(
                        "learning_rate", default=0.0, min=0.0, max=10.0, step=0.001, tooltip="0: the preset's."
                    )
                ),
                advanced(
                    io.Combo.Input(
                        "objective", options=[OF_PRESET, *OBJECTIVES], default=OF_PRESET, tooltip="What is minimised."
                    )
                ),
                advanced(
                    io.Combo.Input(
                        "sites",
                        options=[OF_PRESET, *SITE_CHOICES],
                        default=OF_PRESET,
                        tooltip="deepest: simple or local motion. all: complex, wide motion; more memory.",
                    )
                ),
                advanced(
                    io.Combo.Input(
                        "layout",
                        options=[OF_PRESET, *LAYOUTS],
                        default=OF_PRESET,
                        tooltip="official: what the published code saves. paper: one value embedding for a block.",
                    )
                ),
                advanced(
                    io.Combo.Input(
                        "memory",
                        options=[OF_PRESET, *MEMORY_MODES],
                        default=OF_PRESET,
                        tooltip="auto picks by what is free. fast keeps everything, balanced recomputes norms and the "
                        "high-resolution level, low everything; the result is the same. lowest is low and, on a GPU, "
                        "weights in 8 bits while it learns, which changes the result a little.",
                    )
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=2**63 - 1,
                    control_after_generate=False,
                    tooltip="The same seed learns the same motion.",
                ),
                advanced(
                    io.Int.Input(
                        "colourings",
                        default=1,
                        min=1,
                        max=COLOURINGS,
                        tooltip="How many colourings of the clip the latent holds in a row, from Recolour Reference "
                        "Video. With more than one, connect a prompt that names no colours, or an empty one.",
                    )
                ),
                io.Mask.Input(
                    "mask", optional=True, tooltip="White where the motion to learn is: one mask, or one a frame."
                ),
                retired(io.Int.Input("pool", optional=True, default=0, min=-1, max=100_000, tooltip=GONE)),
                retired(_offer_switch("early_stop", GONE)),
                advanced(
                    io.String.Input(
                        "timesteps",
                        optional=True,
                        default=OF_PRESET,
                        tooltip="Noise levels to learn at: all, a range such as 500-999 (where motion is decided), or "
                        "coarse:0.5 (high noise more often).",
                    )
                ),
                _offer_switch(
                    "steady",
                    "on: clips gradients to their usual norm and averages the weights of the last steps, so that a "
                    "high learning rate takes few steps.",
                ),
            ],
            outputs=[
                MotionEmbeddingSocket.Output(display_name="motion", tooltip="For Debias, Apply and Save."),
                io.LossMap.Output(display_name="loss_map", tooltip="For the host's Plot Loss Graph."),
            ],
        )

    @classmethod
    def execute(
        cls,
        model: Any,
        latent: dict[str, Any],
        positive: Any,
        preset: str,
        steps: int,
        learning_rate: float,
        objective: str,
        sites: str,
        layout: str,
        memory: str,
        seed: int,
        colourings: int = 1,
        mask: torch.Tensor | None = None,
        pool: int = 0,
        early_stop: str = OF_PRESET,
        timesteps: str = OF_PRESET,
        steady: str = OF_PRESET,
    ) -> io.NodeOutput:
        chosen = {"objective": objective, "sites": sites, "layout": layout, "memory": memory}
        given: dict[str, Any] = {name: None if value == OF_PRESET else value for name, value in chosen.items()}
        given |= {"steps": steps or None, "learning_rate": learning_rate or None}
        given |= {"timesteps": _parse(timesteps), "steady": SWITCH[steady], "colourings": colourings}
        if pool or early_stop != OF_PRESET:
            logger.warning("pool and early_stop of Train Motion Embedding are ignored; the options were removed.")
        clips = [CaptionedLatents(part, positive) for part in split_clips(latent["samples"], colourings)]
        trained = train_on_model(model, clips, find_recipe(RECIPE, preset).changed(**given), seed, mask=mask)
        shown = preview_curve(trained.losses) | preview_text(cls, describe(trained, model)).as_dict()
        return io.NodeOutput(trained.motion, {"loss": trained.losses}, ui=shown)


def _offer_switch(name: str, tooltip: str) -> io.Combo.Input:
    return advanced(io.Combo.Input(name, optional=True, options=list(SWITCH), default=OF_PRESET, tooltip=tooltip))


def _parse(timesteps: str) -> TimestepSampler | None:
    """Returns None for the preset's. Raises OptionError."""
    text = timesteps.strip()
    return None if text in ("", OF_PRESET) else parse_timesteps(text)
