"""The text encoder of a video model as the host's CLIP: prompts with the weights and chunks that the host knows."""

from __future__ import annotations

from typing import Any, Protocol

import comfy.model_management
import comfy.sd
import comfy.sd1_clip
import comfy.supported_models_base
import torch
from torch import Tensor, nn

_KEY = "clip"


class HasText(Protocol):
    """A model with a text encoder and a tokenizer of transformers."""

    @property
    def text_encoder(self) -> Any: ...

    @property
    def tokenizer(self) -> Any: ...


class TextEncoder(nn.Module, comfy.sd1_clip.ClipTokenWeightEncoder):
    """A transformers `CLIPTextModel` behind the interface that the host's CLIP calls.

    disable_offload: its layers are torch's own, whose weights the host can't move while they run.
    """

    disable_offload = True

    def __init__(self, encoder: Any, special_tokens: dict[str, int]):
        super().__init__()
        self.encoder = encoder
        self.special_tokens = special_tokens
        self.dtypes = {encoder.dtype}

    def encode(self, tokens: list[list[int]]) -> tuple[Tensor, Tensor]:
        device = next(self.encoder.parameters()).device
        output = self.encoder(torch.tensor(tokens, device=device))
        return output[0].float(), output[1].float()

    def encode_token_weights(self, tokens: dict[str, Any]) -> tuple[Tensor, ...]:
        return super().encode_token_weights(tokens[_KEY])

    def set_clip_options(self, options: dict[str, Any]) -> None:
        """The last layer is what these models were trained on: there is nothing to choose."""

    def reset_clip_options(self) -> None:
        """See `set_clip_options`."""

    def load_sd(self, state_dict: dict[str, Tensor]) -> Any:
        return self.encoder.load_state_dict(state_dict, strict=False)


class Tokenizer:
    """The model's own tokenizer, with the host's syntax of weights."""

    def __init__(self, model: HasText, embedding_directory: Any = None):
        own = model.tokenizer
        self.inner = comfy.sd1_clip.SDTokenizer(
            tokenizer_path=own.name_or_path,
            max_length=own.model_max_length,
            pad_with_end=own.pad_token_id == own.eos_token_id,
            pad_token=own.pad_token_id,
            embedding_directory=embedding_directory,
            embedding_size=model.text_encoder.config.hidden_size,
            embedding_key=_KEY,
        )

    @property
    def special_tokens(self) -> dict[str, int]:
        return {"start": self.inner.start_token, "end": self.inner.end_token, "pad": self.inner.pad_token}

    def tokenize_with_weights(self, text: str, return_word_ids: bool = False, **kwargs: Any) -> dict[str, Any]:
        text = text.encode("utf-8", "replace").decode()  # half a character, which a graph can hold and no tokenizer
        return {_KEY: self.inner.tokenize_with_weights(text, return_word_ids, **kwargs)}

    def untokenize(self, pairs: Any) -> Any:
        return self.inner.untokenize(pairs)

    def state_dict(self) -> dict[str, Tensor]:
        return {}


def as_clip(model: HasText) -> comfy.sd.CLIP:
    """The CLIP socket of a loaded video model."""
    tokenizer = Tokenizer(model)

    def place(dtype: torch.dtype, device: torch.device, model_options: dict[str, Any]) -> TextEncoder:
        return TextEncoder(model.text_encoder, tokenizer.special_tokens).to(device)

    target = comfy.supported_models_base.ClipTarget(lambda **_: tokenizer, place)
    parameters = sum(p.numel() for p in model.text_encoder.parameters())
    return comfy.sd.CLIP(target, parameters=parameters, model_options={"dtype": model.text_encoder.dtype})
