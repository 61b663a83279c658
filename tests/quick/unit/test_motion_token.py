"""What the rules make of captions as people and captioning models write them."""

import pytest

from motion_core.recipes.customizing_motion import strip_caption, without_token


@pytest.mark.parametrize(
    "caption, left",
    [
        ("a man skiing down a snowy mountain, oil painting, 4k", "a man skiing"),
        ("A cinematic shot of a horse galloping across a field at sunset", "a horse galloping"),
        ("a video of a woman in a red coat walking through the park", "a woman walking"),
        ("Drone footage of a car driving along a coastal road, golden hour, highly detailed", "a car driving"),
        ("an orange cat jumping onto a wooden table", "a cat jumping"),
        ("a black and white dog is running on the beach", "a dog is running"),
        ("a boy picks up a ball in the garden", "a boy picks up a ball"),
        ("a girl is jumping up and down on a trampoline", "a girl is jumping up and down"),
        ("a plane taking off from a runway", "a plane taking off"),
        ("a skater spinning in circles on the ice", "a skater spinning in circles"),
        ("two people dancing in the rain, wearing yellow coats", "two people dancing"),
        ("a bear wearing a hat and riding on a bicycle under the trees", "a bear riding on a bicycle"),
        ("In the style of Van Gogh, a sailboat drifting on the sea", "a sailboat drifting"),
        ("a man plays the guitar while sitting against a wall", "a man plays the guitar while sitting"),
        ("a child playing with a ball, with mountains in the background", "a child playing with a ball"),
        ("a person doing the V* in a kitchen, photorealistic", "a person doing the V*"),
        ("the camera pans left over a city", "the camera pans left"),
        ("A bird flies. The sky is blue.", "A bird flies"),
        ("a hand turning around slowly", "a hand turning around slowly"),
        ("a man holding a picture of a dog", "a man holding a picture of a dog"),
    ],
)
def test_who_moves_and_how_is_left(caption, left):
    assert strip_caption(caption) == left
    assert strip_caption(left) == left


@pytest.mark.parametrize("caption", ["", "  ", "...", "in the park", "an orange rolling", "walking"])
def test_little_is_survived(caption):
    assert strip_caption(caption) in ("", caption)


def test_the_token_is_left_out():
    assert without_token("a bear doing the V*") == "a bear"
    assert without_token("a bear is doing the V* in the snow") == "a bear in the snow"
    assert without_token("two men V* together") == "two men together"
    assert without_token("a bear walks") == "a bear walks"
