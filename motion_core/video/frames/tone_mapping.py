"""Tone mapping of HDR and wide-gamut frames to BT.709 (ITU-R BT.2100, BT.2390 and BT.2087)."""

import torch
from torch import Tensor

PQ, HLG = 16, 18  # transfer characteristics, as numbered in ITU-T H.273
WIDE = 9  # primaries of BT.2020, as numbered in the same
WHITE = 203.0  # nits of reference white in HDR (BT.2408), mapped to the white of SDR
PEAK = 1000.0  # nits of the assumed mastering display
GAMMA = 2.4  # of an SDR display (BT.1886)

# BT.2087: linear light from BT.2020 primaries to BT.709
TO_BT709 = torch.tensor([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]])
LUMINANCE = torch.tensor([0.2627, 0.6780, 0.0593])
M1, M2 = 2610 / 16384, 2523 / 32
C1, C2, C3 = 3424 / 4096, 2413 / 128, 2392 / 128


def needs_mapping(transfer: int, primaries: int) -> bool:
    """Whether a video is HDR or of wide gamut. Both arguments: as numbered in ITU-T H.273."""
    return transfer in (PQ, HLG) or primaries == WIDE


def map_tones(signal: Tensor, transfer: int, primaries: int) -> Tensor:
    """Maps the file's signal (..., 3), floats of 0..1, to an SDR signal of 0..1."""
    if transfer == PQ:
        light = compress(decode_pq(signal)) / WHITE
    elif transfer == HLG:
        light = compress(decode_hlg(signal)) / WHITE
    else:
        light = signal**GAMMA
    if primaries == WIDE:
        light = light @ TO_BT709.T
    return light.clamp(0, 1) ** (1 / GAMMA)


def decode_pq(signal: Tensor) -> Tensor:
    """The PQ EOTF of BT.2100: signal of 0..1 to nits."""
    power = signal ** (1 / M2)
    return 10000 * ((power - C1).clamp(min=0) / (C2 - C3 * power)) ** (1 / M1)


def encode_pq(nits: Tensor) -> Tensor:
    """The inverse of decode_pq."""
    power = (nits / 10000).clamp(min=0) ** M1
    return ((C1 + C2 * power) / (1 + C3 * power)) ** M2


def decode_hlg(signal: Tensor) -> Tensor:
    """The HLG EOTF of BT.2100 for a display of 1000 nits: signal (..., 3) of 0..1 to nits."""
    a = 0.17883277
    b, c = 1 - 4 * a, 0.55991073
    scene = torch.where(signal <= 0.5, signal**2 / 3, (torch.exp((signal - c) / a) + b) / 12)
    brightness = (scene * LUMINANCE).sum(-1, keepdim=True)
    return PEAK * brightness**0.2 * scene


def compress(nits: Tensor) -> Tensor:
    """Compresses (..., 3) nits from PEAK to WHITE with the roll-off of BT.2390.

    The curve applies to the brightest component and scales all three alike, so hues stay.
    """
    peak, white = encode_pq(torch.tensor([PEAK, WHITE])).unbind()
    brightest = nits.amax(-1, keepdim=True)
    level = (encode_pq(brightest) / peak).clamp(max=1)
    top = white / peak
    knee = 1.5 * top - 0.5
    t = (level - knee) / (1 - knee)
    curve = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * top
    target = decode_pq(torch.where(level < knee, level, curve) * peak)
    return nits * (target / brightest.clamp(min=1e-6))
