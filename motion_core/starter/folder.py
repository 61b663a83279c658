"""Where the starter models, the example clips and the motions learnt from them lie in the pack."""

from pathlib import Path

from ..errors import ModelError

_HERE = Path(__file__).parent
MODEL_FOLDER = _HERE / "model"
WAN_FOLDER = _HERE / "wan"
CLIP_FOLDER = _HERE / "clips"
MOTION_FOLDER = _HERE / "motions"
STARTER, WAN_STARTER = STARTERS = ("starter", "wan-starter")
"""What the starter models are called where a folder could be named."""
_PRESETS = {STARTER: ("starter",), WAN_STARTER: ("wan_starter", "starter")}


def find_starter() -> Path:
    """The diffusers folder of the starter model. Raises ModelError when the pack was installed without it."""
    if not (MODEL_FOLDER / "model_index.json").is_file():
        raise ModelError(f"the starter model is missing from {MODEL_FOLDER}; install the pack again")
    return MODEL_FOLDER


def find_wan_starter() -> Path:
    """The folder of the Wan-shaped starter model. Raises ModelError when the pack was installed without it."""
    if not (WAN_FOLDER / "transformer.safetensors").is_file():
        raise ModelError(f"the Wan starter is missing from {WAN_FOLDER}; install the pack again")
    return WAN_FOLDER


def find_model(name: str) -> Path:
    """The folder of a model: of a starter by its name, else the folder that is named. Raises ModelError."""
    if name in STARTERS:
        return find_starter() if name == STARTER else find_wan_starter()
    return Path(name)


def usual_presets(name: str) -> tuple[str, ...]:
    """The presets of recipes that are taken for a model where none is chosen, the first that there is."""
    return _PRESETS.get(name, ("official", "published"))
