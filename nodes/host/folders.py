"""Names in widgets to files in the host's folders, and never to anything outside them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import folder_paths

from ...motion_core.errors import MotionError, OptionError
from ...motion_core.starter.folder import CLIP_FOLDER, find_starter, find_wan_starter
from ...motion_core.starter.folder import MOTION_FOLDER as EXAMPLE_MOTIONS
from ...motion_core.video.animations import is_still_webp
from .file_names import find_forbidden, free_name, is_plain, with_slashes, without_suffix

MOTION_FOLDER = "motion_embeddings"
ADAPTER_FOLDER = "motion_adapters"
MOTION_LORA_FOLDER = "animatediff_motion_lora"
"""AnimateDiff-Evolved's."""
MOTION_LORA = "motion LoRA: "
"""Before the name of a motion LoRA in the list of adapters."""
MOTION_SUFFIX = ".safetensors"
TRACKER_FOLDER = "motion_tracking"
TRACKER_SUFFIXES = (".pth", ".pt")
NO_WEIGHTS = "none"
STARTER = "starter (comes with Motion Inversion)"
WAN_STARTER = "Wan starter (comes with Motion Inversion)"
EXAMPLE = "example: "
"""Before the name of a clip or motion that the pack brings along."""
VIDEO_SUFFIXES = (".mp4", ".webm", ".mov", ".mkv", ".gif", ".avi", ".apng", ".webp")


def register_folders() -> None:
    """Tell the host of the pack's folders in `models`, to which a person's extra paths add others."""
    kinds = {
        MOTION_FOLDER: (MOTION_SUFFIX,),
        ADAPTER_FOLDER: (MOTION_SUFFIX, ".pt"),
        TRACKER_FOLDER: TRACKER_SUFFIXES,
    }
    for name, suffixes in kinds.items():
        folder_paths.add_model_folder_path(name, os.path.join(folder_paths.models_dir, name))
        folder_paths.folder_names_and_paths[name][1].update(suffixes)


def inside(roots: Sequence[str | Path], name: str, what: str) -> Path:
    """The path of `name` in the first root that has it, or in the first root where none has.

    Raises OptionError for a name that leads out of its root: absolute, with '..', or through a link; and for one that
    some system keeps for itself, can't show or can't hold, since graphs are shared.
    """
    if not isinstance(name, str) or not is_plain(name):
        raise OptionError(f"{what} {name!r} is no name in its folder; give a plain name or choose one from the list")
    given = Path(with_slashes(name))
    try:
        root = next((Path(root) for root in roots if (Path(root) / given).exists()), Path(roots[0]))
        within = (root / given).resolve().is_relative_to(root.resolve())
    except OSError as reason:  # a path too long, a loop of links, a folder that may not be read
        raise OptionError(f"{what} {name!r} can't be looked up ({reason.strerror}); give another name") from reason
    path = root / given
    if not within:
        raise OptionError(f"{what} {name!r} leads out of {root}; copy the file there instead of linking it")
    return path


def list_clips() -> list[str]:
    """Videos in the host's input folder, then the pack's examples."""
    folder = Path(folder_paths.get_input_directory())
    own = [path.name for path in folder.iterdir() if _is_clip(path)] if folder.is_dir() else []
    return [*sorted(own), *(EXAMPLE + path.name for path in sorted(CLIP_FOLDER.glob("*.mp4")))]


def _is_clip(path: Path) -> bool:
    suffix = path.suffix.lower()
    return suffix in VIDEO_SUFFIXES and path.is_file() and not (suffix == ".webp" and is_still_webp(path))


def find_clip(name: str) -> Path:
    if name.startswith(EXAMPLE):
        return _existing(inside([CLIP_FOLDER], name.removeprefix(EXAMPLE), "the example clip"), "clip")
    return _existing(inside([folder_paths.get_input_directory()], name, "the clip"), "clip")


def list_models() -> list[str]:
    """The starters, then every diffusers folder of a video model in `models/diffusers`."""
    found = set()
    for root in folder_paths.get_folder_paths("diffusers"):
        if os.path.isdir(root):
            found |= {entry.name for entry in os.scandir(root) if os.path.isfile(Path(entry, "unet", "config.json"))}
    return [STARTER, WAN_STARTER, *sorted(found)]


def find_model(name: str) -> Path:
    if name in (STARTER, WAN_STARTER):
        return find_wan_starter() if name == WAN_STARTER else find_starter()
    return _existing(
        inside(folder_paths.get_folder_paths("diffusers"), name, "the model"),
        "model",
        "the help page of Load Video Diffusion Model says how to get ZeroScope; put it there and press R",
    )


def list_motions() -> list[str]:
    """Motions in the host's folders, then the pack's examples."""
    return [
        *_list_files(MOTION_FOLDER),
        *(EXAMPLE + path.name for path in sorted(EXAMPLE_MOTIONS.glob("*" + MOTION_SUFFIX))),
    ]


def find_motion(name: str) -> Path:
    if name.startswith(EXAMPLE):
        return _existing(inside([EXAMPLE_MOTIONS], name.removeprefix(EXAMPLE), "the example"), "motion")
    return _existing(inside(folder_paths.get_folder_paths(MOTION_FOLDER), name, "the motion"), "motion")


def list_adapters() -> list[str]:
    """Adapters in the host's folders, then AnimateDiff-Evolved's motion LoRAs where it is installed."""
    known = folder_paths.folder_names_and_paths
    loras = _list_files(MOTION_LORA_FOLDER) if MOTION_LORA_FOLDER in known else []
    return [*_list_files(ADAPTER_FOLDER), *(MOTION_LORA + name for name in loras)]


def find_adapter(name: str) -> Path:
    folder = MOTION_LORA_FOLDER if name.startswith(MOTION_LORA) else ADAPTER_FOLDER
    roots = folder_paths.get_folder_paths(folder)
    return _existing(inside(roots, name.removeprefix(MOTION_LORA), "the adapter"), "adapter")


def list_tracker_weights() -> list[str]:
    return [NO_WEIGHTS, *_list_files(TRACKER_FOLDER)]


def find_tracker_weights(name: str) -> Path | None:
    if name == NO_WEIGHTS:
        return None
    return _existing(inside(folder_paths.get_folder_paths(TRACKER_FOLDER), name, "the weights"), "tracker's weights")


def free_path(folder: str, name: str) -> Path:
    """Where a file of that name is saved in a model folder: `name.safetensors`, or with a number if there is one.

    Raises OptionError as `inside` does, and for characters that Windows takes in no name.
    """
    path = inside(folder_paths.get_folder_paths(folder), without_suffix(name, MOTION_SUFFIX), "the name")
    forbidden = find_forbidden(name)
    if forbidden:
        raise OptionError(f"the name {name!r} has a {forbidden} in it, which Windows takes in no name; leave it out")
    taken = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    return path.with_name(free_name(path.name, MOTION_SUFFIX, taken))


def saved_name(folder: str, path: Path) -> str:
    """The name under which the list of a model folder has a saved file."""
    roots = [Path(root) for root in folder_paths.get_folder_paths(folder)]
    return path.relative_to(next(root for root in roots if path.is_relative_to(root))).as_posix()


def explain_missing(find: Callable[[str], object], name: str) -> bool | str:
    """What a node answers when the host validates a name: True, or the sentence of the error."""
    try:
        find(name)
    except MotionError as error:
        return str(error)
    return True


def _existing(path: Path, what: str, cure: str = "put it there and press R to refresh the list") -> Path:
    if not path.exists():
        raise OptionError(f"the {what} {path.name} is not in {path.parent}; {cure}")
    return path


def _list_files(folder: str) -> list[str]:
    """The files in a model folder, by names that a graph can take to another system."""
    return [with_slashes(name) for name in folder_paths.get_filename_list(folder)]
