"""Leaving the motion's token out of a caption."""

from motion_core.recipes.customizing_motion import without_token


def test_the_token_is_left_out():
    assert without_token("a bear doing the V*") == "a bear"
    assert without_token("a bear is doing the V* in the snow") == "a bear in the snow"
    assert without_token("two men V* together") == "two men together"
    assert without_token("a bear walks") == "a bear walks"
