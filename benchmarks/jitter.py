"""How much motion fidelity is left on the right path where each frame has an independent error in the place.

It is the ceiling for a model that places a subject only so well, and says which paths suffer most.
`python -m benchmarks.jitter` prints a table for the paths of the starter model in a second.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from statistics import mean

import torch

from motion_core.evaluation.material.synthetic import render_reference
from motion_core.metrics.fidelity import motion_fidelity
from motion_core.starter.paths import HELD_OUT

PIXELS = (0.5, 1.0, 2.0)
"""Standard deviations of the error along x and y, in pixels of a 64x64 picture."""
DRAWS = 100


def measure_ceiling(path: str, pixels: float) -> float:
    """Returns the mean fidelity to a path of tracks with a normal error."""
    track, generator = render_reference(path).track, torch.Generator().manual_seed(0)
    errors = pixels * torch.randn((DRAWS, *track.shape), generator=generator)
    return mean(float(motion_fidelity(track[None], (track + error)[None])) for error in errors)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args(arguments)
    rows = {path: [measure_ceiling(path, pixels) for pixels in PIXELS] for path in HELD_OUT}
    rows["mean"] = [mean(column) for column in zip(*rows.values(), strict=True)]
    print("| path | " + " | ".join(f"{pixels} px" for pixels in PIXELS) + " |")
    print("| --- |" + " --- |" * len(PIXELS))
    for path, values in rows.items():
        print(f"| {path} | " + " | ".join(f"{value:.2f}" for value in values) + " |")


if __name__ == "__main__":
    main()
