"""The AnimateDiff family: motion modules in a Stable Diffusion 1.5 UNet (v1, v2, v3), as ComfyUI-AnimateDiff-Evolved
injects them into the host's UNet and as diffusers' `UNetMotionModel` holds them, under the same names. `sites` says
where the temporal attention is, `denoiser` how the latter predicts; text and autoencoder are the host's.

A module adds its positional encoding before the projections, so the embedding comes after it. That is our reading: the
published code covers the ZeroScope family only.
"""

FAMILY = "animatediff"
