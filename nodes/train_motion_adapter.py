"""TrainMotionAdapter: trains an adapter on the motion of one or more clips, by a published recipe."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..motion_core.memory.modes import MEMORY_MODES
from ..motion_core.recipes.catalogue import ADAPTER_PRESETS, ADAPTER_RECIPES, find_recipe
from .choice import offer_choice
from .host.preview_score import PreviewScore
from .host.previews import preview_curve, preview_text
from .host.references import CaptionedLatents
from .host.training import describe, train_on_model
from .newer_host import if_known
from .sockets import EarlyStopSocket, MotionAdapterSocket, MotionReferencesSocket

OF_RECIPE = "recipe's"
"""The value of the recipe."""


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
            hidden=[io.Hidden.unique_id],
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
                    {recipe.name: recipe.unused_options & {"rank"} for recipe in ADAPTER_RECIPES},
                    default="motion_director",
                    tooltip="vmc: one clip. motion_director: one or more. customizing_motion: several, and "
                    "regularisation. motion_matcher: one, by its attention maps; the most memory.",
                ),
                io.Combo.Input(
                    "preset",
                    options=list(ADAPTER_PRESETS),
                    default="published",
                    tooltip="published: the authors' numbers, for ZeroScope and its size. starter: for the starter "
                    "model, at most two minutes on two CPU cores.",
                ),
                io.Int.Input("steps", default=0, min=0, max=100_000, tooltip="Steps of learning; 0: the recipe's."),
                io.Float.Input(
                    "learning_rate", default=0.0, min=0.0, max=10.0, step=0.0001, tooltip="0: the recipe's."
                ),
                io.Int.Input("rank", default=0, min=0, max=1024, tooltip="Of a low-rank adapter; 0: the recipe's."),
                io.Combo.Input(
                    "memory",
                    options=[OF_RECIPE, *MEMORY_MODES],
                    default=OF_RECIPE,
                    tooltip="auto chooses by what is free. fast keeps everything, balanced recomputes norms and the "
                    "high-resolution level, low everything; the result is the same. lowest is low and, on a GPU, "
                    "weights in 8 bits during training, which changes the result a little.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=2**63 - 1,
                    control_after_generate=False,
                    tooltip="The same seed learns the same motion.",
                ),
                MotionReferencesSocket.Input(
                    "references", optional=True, tooltip="More clips, and clips without the motion."
                ),
                EarlyStopSocket.Input(
                    "early_stop", optional=True, tooltip="Ends training when previews no longer show their prompt."
                ),
            ],
            outputs=[
                MotionAdapterSocket.Output(display_name="adapter", tooltip="For Apply and Save Motion Adapter."),
                io.LossMap.Output(display_name="loss_map", tooltip="For the host's Plot Loss Graph."),
            ],
        )

    @classmethod
    def execute(
        cls,
        model: Any,
        latent: dict[str, Any],
        positive: Any,
        recipe: str,
        preset: str,
        steps: int,
        learning_rate: float,
        rank: int,
        memory: str,
        seed: int,
        references: list[CaptionedLatents] | None = None,
        early_stop: PreviewScore | None = None,
    ) -> io.NodeOutput:
        chosen = find_recipe(recipe, preset).changed(
            steps=steps or None,
            learning_rate=learning_rate or None,
            rank=rank or None,
            memory=None if memory == OF_RECIPE else memory,
        )
        clips = [CaptionedLatents(latent["samples"], positive), *(references or ())]
        trained = train_on_model(model, clips, chosen, seed, preview=early_stop)
        shown = preview_curve(trained.losses) | preview_text(cls, describe(trained, model)).as_dict()
        return io.NodeOutput(trained.motion, {"loss": trained.losses}, ui=shown)
