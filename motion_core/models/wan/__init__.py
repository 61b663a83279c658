"""The Wan family: Wan 2.1 and 2.2, as diffusers' `WanTransformer3DModel` and as ComfyUI's `WanModel`."""
