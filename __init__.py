"""Motion Inversion for ComfyUI. The nodes live in `nodes/`, the method in `motion_core/`."""
