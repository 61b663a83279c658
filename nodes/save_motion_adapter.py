"""SaveMotionAdapter: an adapter as a file in `models/motion_adapters`, or as a motion LoRA."""

from __future__ import annotations

from comfy_api.latest import io, ui
from torch import Tensor

from ..motion_core.formats.motion_lora import write_motion_lora
from ..motion_core.motions.adapter import Adapter
from ..motion_core.printable import printable
from .host.folders import ADAPTER_FOLDER, free_path, saved_name
from .newer_host import if_known
from .preview_inputs import add_preview, preview_input
from .sockets import MotionAdapterSocket

OURS, MOTION_LORA = "motion adapter", "motion LoRA"


class SaveMotionAdapter(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SaveMotionAdapter",
            display_name="Save Motion Adapter",
            category="motion inversion",
            description="Writes the adapter to models/motion_adapters; a file of that name is kept, not replaced.",
            **if_known(search_aliases=["export motion adapter", "save lora"], has_intermediate_output=True),
            is_output_node=True,
            inputs=[
                MotionAdapterSocket.Input("adapter", tooltip="From Train Motion Adapter."),
                io.String.Input("name", default="motion", tooltip="The file's name, without its suffix."),
                io.Combo.Input(
                    "format",
                    options=[OURS, MOTION_LORA],
                    default=OURS,
                    tooltip="motion LoRA: for AnimateDiff-Evolved; move the file to models/animatediff_motion_lora. "
                    "Only low-rank changes of temporal attention fit.",
                ),
                preview_input(),
            ],
            outputs=[io.String.Output(display_name="file", tooltip="The name under which Load finds it.")],
        )

    @classmethod
    def execute(cls, adapter: Adapter, name: str, format: str, preview: Tensor | None = None) -> io.NodeOutput:
        adapter = add_preview(adapter, preview)
        path = free_path(ADAPTER_FOLDER, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_motion_lora(adapter, path) if format == MOTION_LORA else adapter.save(path)
        saved = saved_name(ADAPTER_FOLDER, path)
        return io.NodeOutput(saved, ui=ui.PreviewText(printable(f"saved as {saved}")))
