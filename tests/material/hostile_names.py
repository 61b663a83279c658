"""Three hundred names and prompts that someone may send to a host: ways out of a folder, names that systems keep for
themselves, names too long, and letters that are something else than they seem.
"""

from __future__ import annotations

from itertools import product

SECRET = "secret.safetensors"
"""A file that a test puts outside the folders."""
_WAYS_OUT = (
    "..",
    "../..",
    "../../..",
    "x/../..",
    "./..",
    "..\\..",
    "x\\..\\..",
    "....//..",
    "%2e%2e",
    "..%2f..",
    "..;/..",
)
_ENDS = ("", f"/{SECRET}", "/../etc/passwd", "\\windows\\win.ini", f"/{SECRET}\x00.mp4")
_ABSOLUTE = (
    "/etc/passwd", "//etc/passwd", "/proc/self/environ", "/proc/self/fd/0", "/dev/zero", "/dev/stdin", "/dev/random",
    "~/.ssh/id_rsa", "~root", "$HOME/x", "%USERPROFILE%\\x", "C:\\x", "C:x", "c:/windows/win.ini",
    "\\\\server\\share\\x",
    "\\\\?\\C:\\x", "\\\\.\\PhysicalDrive0", "//server/share/x", "file:///etc/passwd", "http://127.0.0.1/x", "x:stream",
    "smb://server/x", "data:,x", "jar:file:x!/y",
)  # fmt: skip
_DEVICES = ("CON", "PRN", "AUX", "NUL", "COM1", "COM\u00b9", "LPT1", "LPT9", "nul.safetensors", "x/AUX.mp4", "con .pt")
_SHAPES = (
    "", " ", "\t", ".", "./", "/", "//", "\\", "x/", "x.", "x ", " x", "x//y", "-rf", "--help", "*", "?", "<x>", "a|b",
    '"', "'", "`id`", "$(id)", "{{7*7}}", "${7*7}", "%s%s%n", "%00", "{0}", "{name}", "x'; DROP TABLE models; --",
    "<script>alert(1)</script>", "javascript:alert(1)", "__import__('os')", "!!python/object:os.system", "example: ",
    "example: ../../../README.md", "example: /etc/passwd", "example: example: x", "motion LoRA: ../x", "motion LoRA: ",
    "none", "None", "null", "undefined", "NaN", "true", "[]", "{}", "0",
)  # fmt: skip
_LETTERS = (
    "\x00", "a\x00b", "a\nb", "a\r\nb", "\x1b[2J", "\x1b]0;owned\x07", "\x7f", "\x80", "\x9b31m", "\u202egnp.x",
    "\u2066x\u2069", "\u200b", "\ufeffx", "\u2028", "\u2029", "\ud800", "\udfff", "\udce9", "x\ud83d", "\U0001f40e",
    "\ufffe", "\uffff", "\U0010ffff", "e\u0301" * 30, "\u0301" * 300, "\uff0e\uff0e\uff0fx", "\u2024\u2024/x",
    "..\u2215x", "..\u2044x", "..\uff3cx", "\u3002\u3002/x", "\u00ad", "\U000e0041", "\u115f",
    "caf\u00e9", "\u96ea/\u96ea",
    "\u0130\u0131", "\u1e9e\u00df", "\ufb01", "\u212a", "\u017f", "\u2126", "\ufdfd",
)  # fmt: skip
_LONG = (
    "x" * 255,
    "x" * 256,
    "x" * 5000,
    "x" * 1_000_000,
    "\u96ea" * 255,
    "x/" * 500 + "y",
    "../" * 5000,
    "a" * 250 + ".mp4",
)
_VARIANTS = (".safetensors", ".mp4", "/x.safetensors")
TEXTS = tuple(
    dict.fromkeys(
        [a + b for a, b in product(_WAYS_OUT, _ENDS)]
        + [*_ABSOLUTE, *_DEVICES, *_SHAPES, *_LETTERS, *_LONG]
        + [text + end for end in _VARIANTS for text in (*_LETTERS, *_DEVICES[:4])]
    )
)[:300]
OTHERS = (None, True, 0, -1, 1.5, 10**30, {}, {"a": 1}, ["x"], [[]])
"""What is no text at all."""
