"""Seeded damage to the bytes of a file."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from random import Random
from typing import Any

Damage = Callable[[bytes, Random], bytes]
ODD_TEXTS = (
    "", "x", "-1", "0", "1e999", "nan", "999999999999999999999", "9" * 10_000, "null", "[]", "{}", "{", '{"a": 1}',
    "[" * 50_000, '{"a":' * 50_000, "\x00",
    "\x1b[2J", "\u202e", "\U0001f40e" * 1000, "true", '"', "difference", "paper",
)  # fmt: skip
ODD_NUMBERS = (-1, 0, 1, 2, 7, 2**31, 2**40, 2**62, 2**63, 10**30, 1.5)
ODD_DTYPES = ("F16", "BF16", "F32", "F64", "I64", "U8", "BOOL", "F8_E4M3", "F8_E5M2", "C64", "F4", "", "X")


def cut(content: bytes, random: Random) -> bytes:
    """Cuts off the end, like an interrupted download."""
    return content[: random.randrange(len(content))]


def flip_bits(content: bytes, random: Random) -> bytes:
    """Flips single bits."""
    changed = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 8, 64))):
        changed[_choose_offset(content, random)] ^= 1 << random.randrange(8)
    return bytes(changed)


def zero_a_span(content: bytes, random: Random) -> bytes:
    """Zeroes a span, like a sector that was never written."""
    start, length = _choose_offset(content, random), random.choice((1, 8, 100, 512, 4096))
    return content[:start] + bytes(len(content[start : start + length])) + content[start + length :]


def swap_spans(content: bytes, random: Random) -> bytes:
    """Swaps two spans of equal length."""
    length = random.choice((4, 16, 64, 256))
    one, other = sorted(random.randrange(len(content)) for _ in range(2))
    a, b = content[one : one + length], content[other : other + length]
    if one + length > other or len(a) != len(b):
        return content[one:] + content[:one]
    return content[:one] + b + content[one + length : other] + a + content[other + length :]


def insert(content: bytes, random: Random) -> bytes:
    """Inserts random bytes. Everything behind them moves."""
    offset = random.choice((_choose_offset(content, random), len(content)))
    return content[:offset] + random.randbytes(random.choice((1, 8, 1000))) + content[offset:]


def alter_header_length(content: bytes, random: Random) -> bytes:
    """Changes the length of the header in the first 8 bytes."""
    length = int.from_bytes(content[:8], "little")
    altered = random.choice((0, 1, length - 1, length + 1, length + 8, 2 * length, 2**31, 2**40, 2**63, 2**64 - 1))
    return altered.to_bytes(8, "little") + content[8:]


def alter_metadata(content: bytes, random: Random) -> bytes:
    """Changes, renames or removes one entry of the metadata."""

    def change(header: dict[str, Any]) -> None:
        metadata = header["__metadata__"]
        name = random.choice(sorted(metadata))
        value = metadata.pop(name)
        how = random.randrange(4)
        if how == 0:
            metadata[random.choice((name + "s", name.upper(), ""))] = value
        elif how == 1 and len(value) > 1:
            offset = random.randrange(len(value))
            metadata[name] = value[:offset] + random.choice('0123456789[]{},.-x"') + value[offset + 1 :]
        elif how == 2 or random.random() < 0.8:
            metadata[name] = random.choice(ODD_TEXTS)

    return _with_header(content, change)


def alter_declaration(content: bytes, random: Random) -> bytes:
    """Changes the dtype, shape, offsets or name of one tensor in the header, or swaps two tensors."""

    def change(header: dict[str, Any]) -> None:
        keys = sorted(key for key in header if key != "__metadata__")
        key, other = random.choice(keys), random.choice(keys)
        how = random.choice(("dtype", "shape", "data_offsets", "swap", "name", "drop", "type"))
        if how == "dtype":
            header[key]["dtype"] = random.choice(ODD_DTYPES)
        elif how == "swap":
            header[key]["data_offsets"], header[other]["data_offsets"] = (
                header[other]["data_offsets"], header[key]["data_offsets"]
            )  # fmt: skip
        elif how == "name":
            header[random.choice((key + "x", key.upper(), "\x1b[31m", "x" * 100_000))] = header.pop(key)
        elif how == "drop":
            del header[key]
        elif how == "type":
            header[key] = random.choice(([], None, 1, {"dtype": "F16"}))
        else:
            numbers = header[key][how]
            if numbers:
                numbers[random.randrange(len(numbers))] = random.choice(ODD_NUMBERS)

    return _with_header(content, change)


def alter_numbers(content: bytes, random: Random) -> bytes:
    """Changes numbers of the tensors: not finite, too large, or slightly different."""
    start = 8 + int.from_bytes(content[:8], "little")
    changed = bytearray(content)
    for _ in range(random.choice((1, 1, 10))):
        offset = start + 2 * random.randrange(max(1, (len(content) - start) // 2))
        changed[offset : offset + 2] = random.choice((b"\x00\x7c", b"\xff\x7f", b"\x00\x00", b"\xff\x7b", b"\x01\x3c"))
    return bytes(changed[: len(content)])


def repack(content: bytes, random: Random) -> bytes:
    """Damages entries of a zip archive, and writes it with matching checksums."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(out, "w") as packed:
        entries = [(entry.filename, archive.read(entry)) for entry in archive.infolist()]
        number = random.randrange(len(entries))
        name, inner = entries[number]
        pickle = next(offset for offset, (name, _) in enumerate(entries) if name.endswith("data.pkl"))
        how = random.randrange(5)
        if how == 0:
            entries[number] = (name, cut(inner, random) if inner else b"x")
        elif how == 1:
            entries.pop(number)
        else:
            entries[pickle] = (entries[pickle][0], flip_bits(entries[pickle][1], random))
        deflated = zipfile.ZIP_DEFLATED if how == 2 else zipfile.ZIP_STORED
        for entry, inner in entries:
            packed.writestr(entry, inner, deflated)
    return out.getvalue()


ANY: tuple[Damage, ...] = (cut, flip_bits, flip_bits, zero_a_span, swap_spans, insert)
SAFETENSORS: tuple[Damage, ...] = (
    *ANY, alter_header_length, alter_metadata, alter_metadata, alter_declaration, alter_declaration, alter_numbers
)  # fmt: skip


def _choose_offset(content: bytes, random: Random) -> int:
    """An offset anywhere, or as often in the first 2 KB, where the header is."""
    return random.randrange(random.choice((len(content), min(len(content), 2048))))


def _with_header(content: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    change(header)
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    return len(encoded).to_bytes(8, "little") + encoded + content[end:]
