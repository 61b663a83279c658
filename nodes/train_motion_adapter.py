"""TrainMotionAdapter: trains the motion of one or more clips by a published recipe that changes the model's layers."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import io

from ..motion_core.recipes.catalogue import ADAPTER_PRESETS, ADAPTER_RECIPES, find_recipe
from ..motion_core.recipes.recipe import list_training_options
from .choice import offer_choice
from .host.preview_stop import PreviewStop
from .host.previews import preview_picture, preview_text
from .host.progress import TrainingProgress
from .host.provenance import find_reference_info
from .host.training import CaptionedLatents, describe, train_in_host
from .newer_host import advanced, if_known
from .option_inputs import OLDER_WORDS, SEED, preset_input, read_options
from .preview_inputs import preview_inputs, read_previews
from .sockets import EarlyStopSocket, MotionAdapterSocket, MotionReferencesSocket

_OPTIONS = list_training_options()
_SHOWN = ("steps", "learning_rate", "rank", "memory")


class TrainMotionAdapter(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="TrainMotionAdapter",
            display_name="Train Motion Adapter",
            category="motion inversion",
            description="Learns a motion by VMC, MotionDirector, Customizing Motion or MotionMatcher. The model stays "
            "as it is; Cancel works at every step.",
            **if_known(
                search_aliases=["learn motion", "motiondirector", "vmc", "motion lora", "fine-tune"],
                has_intermediate_output=True,
            ),
            hidden=[io.Hidden.unique_id, io.Hidden.prompt],
            inputs=[
                io.Model.Input("model", tooltip="The model that will also sample."),
                io.Latent.Input("latent", tooltip="The reference clip through VAE Encode: its frames are the batch."),
                io.Conditioning.Input(
                    "positive",
                    tooltip="What the reference shows, without place and style, so that only the motion is learnt: "
                    '"a man skiing", not "a man skiing down a snowy mountain, oil painting".',
                ),
                offer_choice(
                    "recipe",
                    {recipe.name: recipe.unused_options & set(_SHOWN) for recipe in ADAPTER_RECIPES},
                    default="motion_director",
                    tooltip="vmc: one clip. motion_director: one or more. customizing_motion: several, and "
                    "regularisation. motion_matcher: one, by its attention maps; the most memory. From one clip, Train "
                    "Motion Embedding keeps the prompt's looks best.",
                ),
                io.Combo.Input(
                    "preset",
                    options=list(ADAPTER_PRESETS),
                    default="published",
                    tooltip="published: the authors' numbers, for ZeroScope and its size. starter: for the starter "
                    "model, one to two minutes on two CPU cores (customizing_motion: ten).",
                ),
                preset_input(*_OPTIONS["steps"]),
                *(advanced(preset_input(*_OPTIONS[name])) for name in _SHOWN[1:]),
                io.Int.Input("seed", default=0, **SEED, tooltip="The same seed learns the same motion."),
                MotionReferencesSocket.Input(
                    "references", optional=True, tooltip="More clips, and clips without the motion."
                ),
                EarlyStopSocket.Input(
                    "early_stop", optional=True, tooltip="Ends training when previews no longer show their prompt."
                ),
                io.Mask.Input(
                    "mask", optional=True, tooltip="White where the motion to learn is: one mask, or one a frame."
                ),
                *preview_inputs(),
            ],
            outputs=[
                MotionAdapterSocket.Output(display_name="adapter", tooltip="For Apply and Save Motion Adapter."),
                io.LossMap.Output(display_name="loss_map", tooltip="For the host's Plot Loss Graph."),
            ],
        )

    @classmethod
    def validate_inputs(cls, memory: str) -> bool | str:
        known = (*_OPTIONS["memory"][1].choices, *OLDER_WORDS, "preset's")
        return memory in known or f"memory is {memory!r}; use one of {', '.join(_OPTIONS['memory'][1].choices)}"

    @classmethod
    def execute(
        cls,
        model: Any,
        latent: dict[str, Any],
        positive: Any,
        recipe: str,
        preset: str,
        seed: int,
        references: list[CaptionedLatents] | None = None,
        early_stop: PreviewStop | None = None,
        mask: torch.Tensor | None = None,
        preview_every: int = 0,
        preview: Any = None,
        vae: Any = None,
        **options: Any,
    ) -> io.NodeOutput:
        chosen = find_recipe(recipe, preset).changed(**read_options(_OPTIONS, options))
        clips = [CaptionedLatents(latent["samples"], positive), *(references or ())]
        info = find_reference_info(model, cls.hidden.prompt, cls.hidden.unique_id)
        progress = TrainingProgress(chosen.steps, cls.hidden.unique_id)
        trained = train_in_host(
            model,
            clips,
            chosen,
            progress=progress,
            seed=seed,
            mask=mask,
            stop=early_stop,
            previews=read_previews(preview_every, preview or positive, vae),
            info=info,
        )
        picture = progress.draw(len(trained.losses))
        shown = preview_picture(picture) | preview_text(cls, describe(trained, model)).as_dict()
        return io.NodeOutput(trained.motion, {"loss": trained.losses}, ui=shown)
