"""Guidance without training: a method takes the steps of sampling in its own way, by gradients of a model that stays
as it is. One file a method: `dmt`, `motion_clone`; `methods` has their settings by name.

Whoever samples, our own loop or a host's, asks `steer` for each step and gives it the step as it would be without.
"""

from .step import Advance, Steering, Step

__all__ = ["Advance", "Step", "Steering"]
