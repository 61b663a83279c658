"""Motion Inversion's eq. 3 through the real hooks: a model whose temporal attention is the paper's formula."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from motion_core.hooks.embedding_hooks import inject
from motion_core.models.families import find_sites
from motion_core.motions.embedding import MotionEmbedding

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text(encoding="utf-8"))
BLOCK = "down_blocks.0.temp_attentions.0.transformer_blocks.0"


class Attention(nn.Module):
    """softmax(Q K^T / sqrt(d)) V over frames, heads side by side."""

    def __init__(self, case):
        super().__init__()
        self.heads = case["heads"]
        for name, key in (("to_q", "Wq"), ("to_k", "Wk"), ("to_v", "Wv")):
            weight = torch.tensor(case[key], dtype=torch.float64)
            layer = nn.Linear(*weight.shape, bias=False, dtype=torch.float64)
            layer.weight.data = weight
            setattr(self, name, layer)

    def forward(self, tokens):
        q, k, v = (layer(tokens).unflatten(-1, (self.heads, -1)).transpose(1, 2) for layer in self.layers())
        weights = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)
        return (weights @ v).transpose(1, 2).flatten(2)

    def layers(self):
        return self.to_q, self.to_k, self.to_v


class Holder(nn.Module):
    """Modules under the names that a checkpoint of the family has."""

    def __init__(self, **children):
        super().__init__()
        for name, child in children.items():
            setattr(self, name, child)


def build(case):
    block = Holder(attn1=Attention(case), attn2=Attention(case))
    frame = Holder(transformer_blocks=nn.ModuleList([block]))
    level = Holder(temp_attentions=nn.ModuleList([frame]))
    return Holder(transformer_in=nn.Identity(), down_blocks=nn.ModuleList([level]), up_blocks=nn.ModuleList([level]))


def embed(case, scale=1.0):
    qk, v = (scale * torch.tensor(case[key], dtype=torch.float64) for key in ("m_qk", "m_v"))
    return MotionEmbedding("zeroscope", {BLOCK: qk}, {BLOCK: v}, {BLOCK: (len(v), 1)})


def attend(case, strength_v=1.0, scale=1.0):
    model = build(case)
    attention = find_sites(model)[0]
    assert attention.block == BLOCK
    with inject(model, embed(case, scale), strength_v=strength_v):
        return (
            model.down_blocks[0]
            .temp_attentions[0]
            .transformer_blocks[0]
            .attn1(torch.tensor(case["F"], dtype=torch.float64))
        )


@pytest.mark.parametrize(
    ("name", "key", "arguments"),
    [
        ("ta_eq3_closed", "out", {}),
        ("ta_eq3_general", "out_gamma1", {}),
        ("ta_eq3_general", "out_gamma0", {"strength_v": 0.0}),
        ("ta_eq3_general", "out_zero_embeddings", {"scale": 0.0}),
    ],
)
def test_equation_three(name, key, arguments):
    case = GOLDEN[name]
    torch.testing.assert_close(
        attend(case, **arguments), torch.tensor(case[key], dtype=torch.float64), atol=1e-12, rtol=1e-12
    )
