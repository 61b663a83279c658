"""The ZeroScope family: diffusers `UNet3DConditionModel` (ZeroScope, ModelScope, VideoCrafter2 as converted,
the starter model). `sites` says where its temporal attention is, `denoiser` how it predicts, `loading` how a
diffusers folder becomes a model with its text encoder and autoencoder.
"""

FAMILY = "zeroscope"
