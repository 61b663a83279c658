"""TrainMotionAdapter: the motion of one or more clips, learnt by a published recipe that changes the model's layers."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..motion_core.memory.checkpointing import MEMORY_MODES
from ..motion_core.recipes.catalogue import PRESETS, RECIPES, find_recipe
from .choice import offer_choice
from .host.adapter_learning import Shown, learn_adapter
from .host.appearance_stop import Watch
from .host.previews import preview_curve
from .newer_host import where_known
from .sockets import EarlyStopSocket, MotionAdapterSocket, MotionReferencesSocket

OF_RECIPE = "recipe's"
"""Stands for: whatever the recipe says."""


class TrainMotionAdapter(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="TrainMotionAdapter",
            display_name="Train Motion Adapter",
            category="motion inversion",
            description="Learns a motion by VMC, MotionDirector, Customizing Motion or MotionMatcher. The model stays "
            "as it is; Cancel works at every step.",
            **where_known(
                search_aliases=["learn motion", "motiondirector", "vmc", "motion lora", "fine-tune"],
                has_intermediate_output=True,
            ),
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
                    {recipe.name: recipe.unused for recipe in RECIPES.values()},
                    default="motion_director",
                    tooltip="vmc: one clip. motion_director: one or more. customizing_motion: several, and "
                    "regularisation. motion_matcher: one, by its attention maps; the most memory.",
                ),
                io.Combo.Input(
                    "preset",
                    options=list(PRESETS),
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
                    tooltip="fast keeps everything, balanced recomputes norms and the high-resolution level, low "
                    "everything. The result is the same.",
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
                    "early_stop", optional=True, tooltip="Ends learning when previews no longer look as they should."
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
        references: list[Shown] | None = None,
        early_stop: Watch | None = None,
    ) -> io.NodeOutput:
        chosen = find_recipe(recipe, preset).changed(
            steps=steps or None,
            learning_rate=learning_rate or None,
            rank=rank or None,
            memory=None if memory == OF_RECIPE else memory,
        )
        shown = [Shown(latent["samples"], positive), *(references or ())]
        learnt = learn_adapter(model, shown, chosen, seed, early_stop)
        return io.NodeOutput(learnt.adapter, {"loss": learnt.losses}, ui=preview_curve(learnt.losses))
