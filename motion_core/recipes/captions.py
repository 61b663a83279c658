"""Takes place and style out of a caption, by a few rules of English; what comes out is a suggestion.

A motion is learnt under words that say who moves and how, and neither where nor in what style, so that only the motion
is left to be learnt (VMC's appearance-invariant prompts). The rules know words, not grammar.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

TOKEN = "V*"
"""The word that Customizing Motion binds a motion to."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_MEDIA = _words(
    "video clip footage shot photo photograph picture image animation film movie painting drawing render rendering "
    "sketch illustration gif recording view close-up closeup portrait timelapse time-lapse"
)
_COLOURS = _words(
    "red orange yellow green blue purple violet pink brown black white gray grey beige teal turquoise cyan magenta "
    "light dark bright pale colorful colourful"
)
_SHADES = {"light", "dark", "bright", "pale"}
_PLACE = _words(
    "in on at under underneath beneath near against through throughout across along alongside over above below down "
    "up into onto inside outside behind beside between among amid around by past toward towards from off within during "
    "before beyond"
)
_LOOKS = {"wearing", "dressed"}
_SCENERY = _words("background backdrop foreground lighting light sky style view scenery")
_MANNER = _words(
    "circle circles loop loops place unison sync motion line row zigzag reverse speed pairs leg legs foot feet hands "
    "knees tiptoe tiptoes head back spot"
)
_DETERMINERS = _words("a an the this that his her its their my some two three four five many several")
_BREAKS = _words("is are was were while as then who with without")
_NO_VERBS = _words(
    "building ceiling evening morning king ring wing spring string painting drawing clothing railing lightning wedding "
    "thing something nothing everything lighting crossing during rendering trending looking being wearing"
)
_MOTIONS = _words(
    "walk run jump ride fly swim dance drive skate ski surf climb crawl spin turn roll bounce fall sit stand wave "
    "swing throw catch kick play lift pick put take move slide march gallop jog hop dive pan zoom rotate chase push "
    "pull cycle sail paddle row drift juggle clap bow"
)
_TAKE_PREPOSITIONS = tuple(_words("pick lift put tak throw kick hold blow turn flip rid play set"))
"""How verbs begin whose next preposition is theirs: pick up a ball, ride on a horse."""


def strip_caption(caption: str) -> str:
    """Who moves and how: without "a video of", colours, places, what is worn, and parts that name a style.

    "A photo of a man skiing down a snowy hill, oil painting, 4k" becomes "a man skiing".
    """
    parts = [_strip_part(part.split()) for part in re.split(r"[,.;:!?]+(?:\s+|$)", caption.strip())]
    parts = [part for part in parts if part]
    kept = parts[:1] + [part for part in parts[1:] if _has_motion(part)]
    return ", ".join(" ".join(part) for part in kept)


def without_token(caption: str, token: str = TOKEN) -> str:
    """A caption without the word for a motion, for a reader who does not know it: "a bear doing the V*" is "a bear"."""
    verb = r"(?:(?:is|are)\s+)?(?:(?:doing|does|do|performing|performs|making|makes)\s+)?(?:(?:the|an?)\s+)?"
    return " ".join(re.sub(rf"\b{verb}(?<!\S){re.escape(token)}(?!\S)", "", caption).split())


def _strip_part(words: list[str]) -> list[str]:
    words = _drop_colours(_drop_places(_drop_medium(words)))
    while words and words[-1].lower() in ("and", "or", "with"):
        words = words[:-1]
    return words


def _drop_medium(words: list[str]) -> list[str]:
    """Without a beginning such as "a cinematic close-up shot of"."""
    for number, word in enumerate(words[:-1]):
        if word.lower() in _MEDIA and words[number + 1].lower() in ("of", "showing", "depicting"):
            return _drop_medium(words[number + 2 :])
        if _is_verb(words, number) or word.lower() in _PLACE:
            break
    return words


def _drop_places(words: list[str]) -> list[str]:
    """Without phrases that say where, or what is worn."""
    kept: list[str] = []
    number = 0
    while number < len(words):
        end = _find_end(words, number)
        if not _is_dropped(words, number, end):
            kept.append(words[number])
            end = number + 1
        elif words[number].lower() in _LOOKS and words[end : end + 1] == ["and"]:
            end += 1
        number = end
    return kept


def _find_end(words: list[str], start: int) -> int:
    """Where the phrase that begins with a word ends: before a verb, a word that begins another, or another subject."""
    for number in range(start + 1, len(words)):
        word = words[number].lower()
        following = words[number + 1].lower() if number + 1 < len(words) else ""
        joins = word in ("and", "or") and (following in ("a", "an", "two") or _is_verb(words, number + 1))
        if word in _BREAKS | _LOOKS or joins or _is_verb(words, number):
            return number
    return len(words)


def _is_dropped(words: list[str], start: int, end: int) -> bool:
    word, phrase = words[start].lower(), {each.lower() for each in words[start + 1 : end]}
    if word in _LOOKS:
        return True
    if word in ("with", "without"):
        return bool(phrase & _SCENERY)
    if word == "next" and words[start + 1 : start + 2] == ["to"]:
        return True
    if word not in _PLACE or phrase & _MANNER:
        return False
    before = words[start - 1].lower() if start else ""
    return _begins_noun(words, start + 1, end) and not before.startswith(_TAKE_PREPOSITIONS)


def _begins_noun(words: list[str], number: int, end: int) -> bool:
    """Else the preposition belongs to its verb, as in "sits down", "up and down" or "takes off from"."""
    if number >= end:
        return False
    word = words[number].lower()
    return word not in _PLACE | {"and", "or", "to"} and not word.endswith("ly")


def _drop_colours(words: list[str]) -> list[str]:
    kept: list[str] = []
    number = 0
    while number < len(words):
        end = _find_colours_end(words, number)
        if end == number:
            kept.append(words[number])
            end += 1
        elif kept and kept[-1].lower() in ("a", "an"):
            article = "an" if words[end][0].lower() in "aeiou" else "a"
            kept[-1] = article.capitalize() if kept[-1][0].isupper() else article
        number = end
    return kept


def _find_colours_end(words: list[str], start: int) -> int:
    """Where the colours that stand before a noun end; the start itself where they are none."""
    end = start
    while end < len(words) and words[end].lower() in _COLOURS | ({"and"} if end > start else set()):
        end += 1
    colours = {word.lower() for word in words[start:end]} - _SHADES - {"and"}
    noun = end < len(words) and words[end - 1].lower() != "and" and not _is_verb(words, end)
    return end if colours and noun and words[end].lower() not in _BREAKS | _PLACE else start


def _is_verb(words: list[str], number: int) -> bool:
    """Whether a word says what is done; one after "the" or a number names a thing."""
    if number >= len(words) or (number and words[number - 1].lower() in _DETERMINERS):
        return False
    word = words[number].lower()
    return (word.endswith("ing") and len(word) > 4 and word not in _NO_VERBS) or bool(_stems(word) & _MOTIONS)


def _stems(word: str) -> set[str]:
    return {word, word.removesuffix("s"), word.removesuffix("es"), word.removesuffix("ies") + "y"}


def _has_motion(words: Iterable[str]) -> bool:
    listed = list(words)
    return any(_is_verb(listed, number) for number in range(len(listed)))
