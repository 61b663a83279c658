"""The ZeroScope family: diffusers' `UNet3DConditionModel` (ZeroScope, ModelScope, VideoCrafter2 as converted, the
starter model).
"""
