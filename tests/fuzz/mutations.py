"""Changes by chance, always the same for the same seed: of bytes, of texts, and of JSON as a tree."""

from __future__ import annotations

import itertools
import json
import random
import struct
from collections.abc import Callable, Iterator
from typing import Any

Mutate = Callable[[bytes, random.Random], bytes]

_NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
_TOKENS = (
    b"", b"\0", b"\n", b"\r\n", b'"', b"'", b",", b";", b"\t", b"[", b"]", b"{", b"}", b"=", b"#", b"\\", b"\xff",
    b"\xef\xbb\xbf",
    b"-1", b"0", b"1e999", b"-0.0", b"nan", b"inf", b"9" * 30, b"9" * 5000, b"1_000", b"0x10", b"True", b"null",
    b"NaN", b"[[[[",
    b"a" * 300, "é".encode(), "\u202e".encode(), "\U0001f600".encode(), b"\x1b[31m", b"../../x", b"http://a/b",
    b"1970-01-01",
)  # fmt: skip
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 3, 2**31, 2**63, 2**64, 10**400, -(10**30), 0.5, -0.0, 1e308, 1e-300, float("nan"),
    float("inf"), "", " ", "a", "relu", "softmax", "float32", "channels_first", "valid", "1", "\0", "\ud800",
    "\u202e", "x" * 5000,
    "__proto__", "{}", [], [[]], [None], [1], [1, 2], [None, 8, 8, 1], [0, 0], [-1], [2**40, 2**40], ["a"], {},
    {"a": 1},
    {"class_name": "Dense", "config": {}}, {"class_name": "__tuple__", "items": [1, 2]}, {"class_name": None},
    [{}], {"config": []},
)  # fmt: skip


def mutated_bytes(data: bytes, chance: random.Random) -> bytes:
    """Return bytes with one to eight places changed, cut, doubled or moved."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 8))):
        _BYTE_CHANGES[chance.randrange(len(_BYTE_CHANGES))](out, chance)
        del out[2**20 :]
    return bytes(out)


def mutated_text(data: bytes, chance: random.Random) -> bytes:
    """Return a text with words of trouble put in, lines and words moved, and now and then bytes changed."""
    if chance.random() < 0.2:
        return mutated_bytes(data, chance)
    for _ in range(chance.choice((1, 1, 2, 4))):
        data = _TEXT_CHANGES[chance.randrange(len(_TEXT_CHANGES))](data, chance)[: 2**20]
    return data


def mutated_json(data: bytes, chance: random.Random) -> bytes:
    """Return JSON with some values, keys or branches changed; a text like any other where it is no JSON."""
    if chance.random() < 0.1:
        return mutated_text(data, chance)
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return mutated_text(data, chance)
    root = [tree]
    for _ in range(chance.choice((1, 1, 1, 2, 3, 5))):
        places = list(itertools.islice(_places(root), 5000))
        if not places:
            break
        holder, key = chance.choice(places)
        _TREE_CHANGES[chance.randrange(len(_TREE_CHANGES))](holder, key, places, chance)
    try:
        return json.dumps(root[0] if root else None).encode()
    except RecursionError:
        return data


def _places(root: list[Any]) -> Iterator[tuple[Any, Any]]:
    waiting: list[Any] = [root]
    while waiting:
        holder = waiting.pop()
        for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
            yield holder, key
            if isinstance(holder[key], dict | list):
                waiting.append(holder[key])


def _replaced(holder: Any, key: Any, _: Any, chance: random.Random) -> None:
    holder[key] = json.loads(json.dumps(chance.choice(_VALUES)))


def _removed(holder: Any, key: Any, _: Any, chance: random.Random) -> None:
    del holder[key]


def _renamed(holder: Any, key: Any, places: Any, chance: random.Random) -> None:
    if isinstance(holder, dict):
        names = [name for _, name in places if isinstance(name, str)]
        holder[chance.choice([*names, "", "a"])] = holder.pop(key)
    else:
        holder.insert(chance.randrange(len(holder) + 1), holder[key])


def _copied(holder: Any, key: Any, places: Any, chance: random.Random) -> None:
    other, place = chance.choice(places)
    if (isinstance(other, dict) and place in other) or (isinstance(other, list) and place < len(other)):
        holder[key] = json.loads(json.dumps(other[place]))


def _wrapped(holder: Any, key: Any, _: Any, chance: random.Random) -> None:
    value = holder[key]
    for _ in range(chance.choice((1, 1, 2, 300))):
        value = [value] if chance.random() < 0.5 else {"config": value}
    holder[key] = value


def _nudged(holder: Any, key: Any, _: Any, chance: random.Random) -> None:
    value = holder[key]
    if isinstance(value, bool):
        holder[key] = not value
    elif isinstance(value, int | float):
        holder[key] = chance.choice(
            (-value, value + 1, value * 2**20, str(value), [value], float(value) if abs(value) < 1e300 else 0)
        )
    elif isinstance(value, str):
        holder[key] = mutated_text(value.encode("utf-8", "replace"), chance).decode("utf-8", "replace")
    elif isinstance(value, list):
        holder[key] = value * chance.choice((0, 2, 3))


_TREE_CHANGES = (_replaced, _replaced, _removed, _renamed, _copied, _wrapped, _nudged, _nudged)


def _bit(out: bytearray, chance: random.Random) -> None:
    if out:
        out[chance.randrange(len(out))] ^= 1 << chance.randrange(8)


def _byte(out: bytearray, chance: random.Random) -> None:
    if out:
        out[chance.randrange(len(out))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))


def _number(out: bytearray, chance: random.Random) -> None:
    kind = chance.choice("BHIQ")
    number = chance.choice(_NUMBERS) & (2 ** (8 * struct.calcsize(kind)) - 1)
    piece = struct.pack(chance.choice("<>") + kind, number)
    place = chance.randrange(len(out) + 1)
    out[place : place + len(piece)] = piece


def _cut(out: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(out) + 1)
    del out[start : start + chance.choice((1, 2, 8, 64, len(out)))]


def _doubled(out: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(out) + 1)
    out[start:start] = out[start : start + chance.choice((1, 4, 16, 256))] * chance.choice((1, 1, 2, 50))


def _moved(out: bytearray, chance: random.Random) -> None:
    start, to, size = chance.randrange(len(out) + 1), chance.randrange(len(out) + 1), chance.choice((1, 4, 16, 64))
    out[to : to + size] = out[start : start + size]


def _token(out: bytearray, chance: random.Random) -> None:
    place = chance.randrange(len(out) + 1)
    out[place:place] = chance.choice(_TOKENS)


_BYTE_CHANGES = (_bit, _bit, _byte, _byte, _number, _number, _cut, _doubled, _moved, _token)


def _with_token(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data) + 1)
    return data[:place] + chance.choice(_TOKENS) + data[place + chance.choice((0, 0, 1, 5)) :]


def _words_changed(data: bytes, chance: random.Random) -> bytes:
    mark = chance.choice((b"\n", b",", b" ", b'"', b"=", b";"))
    words = data.split(mark)
    place = chance.randrange(len(words))
    words[place] = chance.choice((*_TOKENS, words[chance.randrange(len(words))]))
    return mark.join(words)


def _words_left_out(data: bytes, chance: random.Random) -> bytes:
    mark = chance.choice((b"\n", b",", b" ", b'"', b"=", b";"))
    words = data.split(mark)
    del words[chance.randrange(len(words))]
    return mark.join(words)


def _words_doubled(data: bytes, chance: random.Random) -> bytes:
    mark = chance.choice((b"\n", b",", b" ", b'"', b"=", b";"))
    words = data.split(mark)
    place = chance.randrange(len(words))
    words[place:place] = [words[place]] * chance.choice((1, 1, 2, 100))
    return mark.join(words)


def _encoded_otherwise(data: bytes, chance: random.Random) -> bytes:
    return data.decode("utf-8", "replace").encode(chance.choice(("utf-16", "utf-8-sig", "utf-32", "utf-7")), "replace")


_TEXT_CHANGES = (_with_token, _with_token, _words_changed, _words_changed, _words_left_out, _words_doubled)
_TEXT_CHANGES += (lambda data, chance: mutated_bytes(data, chance),)
_TEXT_CHANGES += (lambda data, chance: _encoded_otherwise(data, chance) if chance.random() < 0.2 else data,)
