"""MotionReferenceSet: further clips to learn from, or not to forget."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from .host.latents import split_clips
from .host.training import CLIP, REGULARISATION, SUBJECT, CaptionedLatents
from .newer_host import if_known
from .sockets import MotionReferencesSocket


class MotionReferenceSet(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MotionReferenceSet",
            display_name="Motion Reference Set",
            category="motion inversion",
            description="One more clip for Train Motion Adapter; several of these in a row make a set.",
            **if_known(search_aliases=["several clips", "more references"]),
            inputs=[
                io.Latent.Input(
                    "latent",
                    tooltip="A clip through VAE Encode, as long and as large as the others. For "
                    "regularisation also single frames, for a subject a batch of pictures.",
                ),
                io.Conditioning.Input(
                    "positive", tooltip='What this clip shows, without place and style: "a man skiing".'
                ),
                io.Combo.Input(
                    "role",
                    options=[CLIP, REGULARISATION, SUBJECT],
                    default=CLIP,
                    tooltip="regularisation: a related clip without the motion, so that the model forgets nothing. "
                    "subject: pictures, each for itself, whose appearance is learnt beside the motion.",
                ),
                MotionReferencesSocket.Input("references", optional=True, tooltip="The set so far."),
                io.Int.Input(
                    "clips",
                    default=1,
                    min=1,
                    max=1024,
                    optional=True,
                    tooltip="How many clips of one length the latent holds in a row: the number that Augment or "
                    "Recolour Reference Video gives, or how many single frames.",
                ),
            ],
            outputs=[MotionReferencesSocket.Output(display_name="references", tooltip="For Train Motion Adapter.")],
        )

    @classmethod
    def execute(
        cls,
        latent: dict[str, Any],
        positive: Any,
        role: str,
        references: list[CaptionedLatents] | None = None,
        clips: int = 1,
    ) -> io.NodeOutput:
        latents = latent["samples"]
        parts = split_clips(latents, len(latents) if role == SUBJECT else clips)
        return io.NodeOutput([*(references or ()), *(CaptionedLatents(part, positive, role) for part in parts)])
