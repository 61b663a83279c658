"""The AnimateDiff family: motion modules in a Stable Diffusion 1.5 UNet (v1, v2, v3), as ComfyUI-AnimateDiff-Evolved
injects them into the host's UNet and as diffusers' `UNetMotionModel` holds them, under the same names.

A module adds its positional encoding before the projections, so the embedding is added after it. That is our reading:
the published code covers the ZeroScope family only.
"""
