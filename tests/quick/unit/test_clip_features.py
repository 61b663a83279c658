"""Features of frames and prompts from CLIP, and the score of ImageReward."""

import shutil
import sys
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from motion_core.errors import ModelError, OptionError
from motion_core.metrics.clip_features import FRAMES_AT_ONCE, load_clip
from motion_core.metrics.clip_scores import text_similarity
from motion_core.metrics.image_reward import load_image_reward
from tests.conftest import seeded

FRAMES = seeded(FRAMES_AT_ONCE + 3, 20, 32, 3).sigmoid()


@pytest.fixture(scope="module")
def encoder(clip_folder):
    return load_clip(clip_folder, "cpu")


def test_frames_and_prompts_have_features_of_the_same_dimension(encoder):
    frames, text = encoder.encode_frames(FRAMES), encoder.encode_text("a red circle")
    assert frames.shape == (FRAMES_AT_ONCE + 3, 8) and text.shape == (8,)
    for features in (frames, text):
        assert features.dtype == torch.float32 and not features.requires_grad
    assert -1 <= text_similarity(frames, text) <= 1


def test_features_equal_those_of_the_transformers_model(encoder):
    pixels = [Image.fromarray((frame * 255).round().byte().numpy()) for frame in FRAMES[:3]]
    inputs = encoder.processor(images=pixels, return_tensors="pt")
    tokens = encoder.tokenizer("a red circle", padding="max_length", max_length=12, return_tensors="pt")
    with torch.no_grad():
        expected = encoder.model(pixel_values=inputs.pixel_values, **tokens)
    ours = torch.nn.functional.normalize(encoder.encode_frames(FRAMES[:3]), dim=-1)
    torch.testing.assert_close(ours, expected.image_embeds, atol=1e-5, rtol=1e-4)
    text = torch.nn.functional.normalize(encoder.encode_text("a red circle"), dim=-1)
    torch.testing.assert_close(text, expected.text_embeds[0], atol=1e-5, rtol=1e-4)


def test_features_do_not_depend_on_the_batch_size(encoder):
    alone = torch.cat([encoder.encode_frames(frame[None]) for frame in FRAMES])
    torch.testing.assert_close(encoder.encode_frames(FRAMES), alone, atol=1e-5, rtol=1e-4)
    assert (alone[0] - alone[1]).norm() > 1e-3


def test_different_prompts_have_different_features_and_long_ones_are_cut_off(encoder):
    one, other = encoder.encode_text("a red circle"), encoder.encode_text("a blue square")
    assert (one - other).norm() > 1e-3
    long = encoder.encode_text("a red circle " * 20)
    assert torch.equal(long, encoder.encode_text("a red circle " * 30))


def test_half_precision_is_read_as_float32(clip_folder, tmp_path, encoder):
    from transformers import CLIPModel

    half = shutil.copytree(clip_folder, tmp_path / "half")
    CLIPModel.from_pretrained(clip_folder).half().save_pretrained(half)
    read = load_clip(half, "cpu")
    assert {p.dtype for p in read.model.parameters()} == {torch.float32}
    torch.testing.assert_close(read.encode_frames(FRAMES), encoder.encode_frames(FRAMES), atol=0.05, rtol=0.05)


def test_a_folder_without_a_whole_clip_model_is_refused(clip_folder, tmp_path, model_folder, encoder):
    with pytest.raises(ModelError, match="has no config.json; give a CLIP folder"):
        load_clip(tmp_path)
    with pytest.raises(ModelError, match="text_encoder holds another model, or only part of CLIP's weights"):
        load_clip(with_files_of(clip_folder, model_folder / "text_encoder", tmp_path / "text_encoder"))
    damaged = shutil.copytree(clip_folder, tmp_path / "damaged")
    (damaged / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="damaged can't be loaded as CLIP.*download it again"):
        load_clip(damaged)
    for bad in (FRAMES[0], FRAMES.byte()):
        with pytest.raises(OptionError, match=r"must be \(N, H, W, 3\)"):
            encoder.encode_frames(bad)


def with_files_of(clip, other, place):
    """CLIP's folder with the weights and config of another model."""
    return shutil.copytree(other, shutil.copytree(clip, place), dirs_exist_ok=True)


# ---- ImageReward, whose package the user installs


def test_image_reward_is_the_mean_over_frames(monkeypatch, tmp_path):
    class Model(torch.nn.Module):
        def __init__(self, med_config: str, device: str):
            super().__init__()
            assert med_config == str(tmp_path / "med_config.json") and device == "cpu"
            self.bias = torch.nn.Parameter(torch.zeros(1))

        def score(self, prompt: str, picture) -> float:
            """The brightness of the picture plus the bias in the weights."""
            assert prompt == "a bear"
            return Image.open(picture).getpixel((0, 0))[0] / 255 + self.bias.item()

    package = SimpleNamespace(ImageReward=Model)
    monkeypatch.setitem(sys.modules, "ImageReward", package)
    monkeypatch.setitem(sys.modules, "ImageReward.ImageReward", package)
    with pytest.raises(ModelError, match=r"lacks ImageReward.pt, med_config.json"):
        load_image_reward(tmp_path, "cpu")
    torch.save({"other": torch.ones(1)}, tmp_path / "ImageReward.pt")
    (tmp_path / "med_config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ModelError, match="not in the Hugging Face cache"):
        load_image_reward(tmp_path, "cpu")
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda repo, name: f"{repo}/{name}")
    with pytest.raises(ModelError, match="lacks a part of ImageReward's weights"):
        load_image_reward(tmp_path, "cpu")
    torch.save({"bias": torch.ones(1), "old_buffer": torch.ones(1)}, tmp_path / "ImageReward.pt")
    frames = torch.tensor([0.0, 0.2, 1.0]).view(3, 1, 1, 1).expand(3, 4, 5, 3)
    assert load_image_reward(tmp_path, "cpu").score(frames, "a bear").item() == pytest.approx(1.4)


def test_a_missing_image_reward_package_is_an_error_that_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ImageReward", None)
    with pytest.raises(ModelError, match="pip install image-reward, or leave this score out"):
        load_image_reward(tmp_path)
