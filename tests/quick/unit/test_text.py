"""Text in pictures: sizes, lines, and a Pillow whose font has one size."""

import pytest
from PIL import Image, ImageFont

from motion_core.video.pictures import text as texts
from motion_core.video.pictures.text import BACKGROUND, draw_text, measure, wrap


def refuse_size(error):
    """Pillow's default font as it is before 10.1 (TypeError), or where Pillow was built without FreeType."""

    def load(*size):
        if size:
            raise error
        return ImageFont.load_default_imagefont()

    return load


@pytest.fixture(params=[None, TypeError("no size"), ImportError("no FreeType")], ids=["new", "old", "no freetype"])
def pillow(request, monkeypatch):
    if request.param:
        if not hasattr(ImageFont, "load_default_imagefont"):
            pytest.skip("this Pillow is an old one itself")
        monkeypatch.setattr(ImageFont, "load_default", refuse_size(request.param))
    texts._load_font.cache_clear()
    yield
    texts._load_font.cache_clear()


def ink(image: Image.Image) -> int:
    return sum(value > 150 for value in image.convert("L").tobytes())


@pytest.mark.parametrize("size", [11, 32, 68])
def test_text_has_about_the_size_that_is_asked_for(pillow, size):
    drawn = draw_text("result", size)
    assert 0.9 * size <= drawn.height <= 1.6 * size and 1.5 * size < drawn.width < 4.5 * size
    assert drawn.width == measure("result", size) and ink(drawn) > size
    assert draw_text("result\nresult", size).height == 2 * drawn.height


def test_nothing_needs_no_room(pillow):
    assert draw_text("", 16).size == (0, 0) and draw_text("", 16, width=40).size == (40, 0)


def test_any_text_can_be_drawn(pillow):
    for text in ("猫 in a hat", "a\tb", "\n", "é – “quoted” 🐈"):
        drawn = draw_text(text, 16, width=10)
        assert drawn.width >= 10 and drawn.getpixel((drawn.width - 1, drawn.height - 1)) is not None


def test_a_picture_of_a_text_is_as_wide_as_asked_for(pillow):
    drawn = draw_text("result", 16, width=300)
    assert drawn.width == 300 and drawn.getpixel((299, 0)) == BACKGROUND


def test_lines_are_broken_to_fit(pillow):
    text = "a long label of many words that goes on and on " * 3
    lines = wrap(text, 20, 200)
    assert lines.split() == text.split()
    assert all(measure(line, 20) <= 200 for line in lines.splitlines())
    assert wrap("short", 20, 200) == "short" and wrap("", 20, 200) == ""
    assert len(wrap("m" * 18, 20, 10, fewest=18).splitlines()) == 1
