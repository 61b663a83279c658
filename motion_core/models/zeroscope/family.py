"""The ZeroScope family."""

from ..block_features import find_block_features
from ..family import Family
from .layers import list_layers
from .sites import group_by_level, list_cross_attentions, list_sites

ZEROSCOPE = Family("zeroscope", list_sites, list_layers, list_cross_attentions, group_by_level, find_block_features)
