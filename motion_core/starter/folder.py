"""Where the starter model, the example clips and the motions learnt from them lie in the pack."""

from pathlib import Path

from ..errors import ModelError

_HERE = Path(__file__).parent
MODEL_FOLDER = _HERE / "model"
CLIP_FOLDER = _HERE / "clips"
MOTION_FOLDER = _HERE / "motions"


def find_starter() -> Path:
    """The diffusers folder of the starter model. Raises ModelError when the pack was installed without it."""
    if not (MODEL_FOLDER / "model_index.json").is_file():
        raise ModelError(f"the starter model is missing from {MODEL_FOLDER}; install the pack again")
    return MODEL_FOLDER
