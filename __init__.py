"""Motion Inversion for ComfyUI. The nodes live in `nodes/`, the method in `motion_core/`."""

WEB_DIRECTORY = "./web"


async def comfy_entrypoint():
    """What the host calls; only then is anything of it imported, so that this package can be used without it."""
    from .nodes.extension import MotionInversion

    return MotionInversion()
