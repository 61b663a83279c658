"""TrainMotionEmbedding: trains the motion of one clip on the very MODEL that will sample."""

from __future__ import annotations

import logging
from typing import Any

import torch
from comfy_api.latest import io

from ..motion_core.recipes.catalogue import find_recipe
from ..motion_core.recipes.motion_inversion import MOTION_INVERSION, OFFICIAL
from ..motion_core.recipes.recipe import list_training_options
from ..motion_core.video.pictures.recolouring import COLOURINGS
from .choice import tell_frontend
from .host.latents import split_clips
from .host.previews import preview_picture, preview_text
from .host.progress import TrainingProgress
from .host.provenance import find_reference_info
from .host.training import CaptionedLatents, describe, train_in_host
from .newer_host import advanced, if_known
from .option_inputs import PRESET, SEED, preset_input, read_options
from .preview_inputs import preview_inputs, read_previews
from .sockets import MotionEmbeddingSocket

logger = logging.getLogger(__name__)
_OPTIONS = list_training_options()


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
            hidden=[io.Hidden.unique_id, io.Hidden.prompt],
            inputs=[
                io.Model.Input("model", tooltip="The model that will also sample."),
                io.Latent.Input("latent", tooltip="The reference clip through VAE Encode: its frames are the batch."),
                io.Conditioning.Input(
                    "positive",
                    tooltip="What the reference shows, so that its appearance need not be learnt with the motion.",
                ),
                io.Combo.Input(
                    "preset",
                    options=list(MOTION_INVERSION),
                    default=OFFICIAL.preset,
                    tooltip="official: a good start. paper: more steps at a higher rate, for motion that does not come "
                    "through. camera: camera motion. fast: a first look. starter: for the starter model.",
                ),
                preset_input(*_OPTIONS["steps"]),
                *(
                    advanced(preset_input(*_OPTIONS[name]))
                    for name in ("learning_rate", "objective", "sites", "layout", "memory")
                ),
                io.Int.Input("seed", default=0, **SEED, tooltip="The same seed learns the same motion."),
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
                advanced(
                    io.Mask.Input(
                        "mask", optional=True, tooltip="White where the motion to learn is: one mask, or one a frame."
                    )
                ),
                tell_frontend(
                    io.Int.Input("pool", optional=True, default=0, min=-1, max=100_000, tooltip="Has no effect."),
                    retired=True,
                ),
                tell_frontend(
                    io.Combo.Input(
                        "early_stop",
                        optional=True,
                        options=[PRESET, "on", "off"],
                        default=PRESET,
                        tooltip="Has no effect.",
                    ),
                    retired=True,
                ),
                *(advanced(preset_input(*_OPTIONS[name], optional=True)) for name in ("timesteps", "steady", "grid")),
                *preview_inputs(),
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
        seed: int,
        colourings: int = 1,
        mask: torch.Tensor | None = None,
        pool: int = 0,
        early_stop: str = PRESET,
        preview_every: int = 0,
        preview: Any = None,
        vae: Any = None,
        **options: Any,
    ) -> io.NodeOutput:
        if pool or early_stop not in (PRESET, "off"):
            logger.info("The widgets pool and early_stop of Train Motion Embedding have no effect any more.")
        chosen = read_options(_OPTIONS, options)
        recipe = find_recipe(OFFICIAL.name, preset).changed(**chosen, colourings=colourings)
        clips = [CaptionedLatents(clip, positive) for clip in split_clips(latent["samples"], colourings, "colourings")]
        info = find_reference_info(model, cls.hidden.prompt, cls.hidden.unique_id)
        progress = TrainingProgress(recipe.steps, cls.hidden.unique_id)
        previews = read_previews(preview_every, preview or positive, vae)
        trained = train_in_host(
            model, clips, recipe, progress=progress, seed=seed, mask=mask, previews=previews, info=info
        )
        picture = progress.draw(len(trained.losses))
        shown = preview_picture(picture) | preview_text(cls, describe(trained, model)).as_dict()
        return io.NodeOutput(trained.motion, {"loss": trained.losses}, ui=shown)
