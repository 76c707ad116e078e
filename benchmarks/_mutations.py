"""Mutations of files, texts and JSON values for `fuzz.py`: bytes, words, lines, separators, encodings and values."""

import numpy as np


def _cut(content, rng, begin, end):
    return content[: rng.integers(0, len(content) + 1)]


def _turn_bits(content, rng, begin, end):
    span = min(len(content), int(rng.choice([40, 400, 10**9])))  # often in the head
    for place in rng.integers(0, span, 4) if span else ():
        content[place] ^= 1 << rng.integers(0, 8)
    return content


def _put_in(content, rng, begin, end):
    return content[:begin] + rng.integers(0, 256, rng.integers(1, 20), dtype=np.uint8).tobytes() + content[begin:]


def _double(content, rng, begin, end):
    return content[:begin] + content[begin:end] * int(rng.integers(1, 4)) + content[begin:]


def _leave_out(content, rng, begin, end):
    return content[:begin] + content[end:]


def _overwrite(content, rng, begin, end):
    return content[:begin] + bytes([int(rng.choice([0, 255, 32, 10, 48]))]) * (end - begin) + content[end:]


CHANGES = (_cut, _turn_bits, _put_in, _double, _leave_out, _overwrite)


def mutated(content, rng):
    """The bytes after one to three changes: cut, bits turned over, bytes put in, doubled, left out or overwritten."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        begin, end = sorted(rng.integers(0, len(content) + 1, 2))
        end = min(end, begin + int(rng.choice([1, 4, 64, 10_000])))
        content = CHANGES[rng.integers(0, len(CHANGES))](content, rng, begin, end)
    return bytes(content)


ODD_WORDS = [
    "",
    " ",
    "-1",
    "0",
    "7",
    "99",
    "1e400",
    "nan",
    "-inf",
    "é",
    "照",
    "'",
    '"',
    ";",
    "\t",
    "a b",
    "=1+1",
    "..",
    "x" * 999,
]


def mutated_text(text, rng):
    """The text as UTF-8 bytes: a word or a line changed, doubled or left out, another separator, or changed bytes."""
    change = rng.integers(0, 5)
    lines = text.split("\n")
    place = rng.integers(0, len(lines))
    if change == 0:
        separator = next((sign for sign in ",; " if sign in lines[place]), ",")
        words = lines[place].split(separator)
        words[rng.integers(0, len(words))] = str(rng.choice(ODD_WORDS))
        lines[place] = separator.join(words)
    elif change == 1:
        lines[place:place] = [lines[place]] * int(rng.integers(1, 3))
    elif change == 2:
        del lines[place]
    elif change == 3:
        old, new = rng.choice([",", ";", "\t", "|", " "], 2)
        lines = [line.replace(str(old), str(new)) for line in lines]
    else:
        return mutated(text.encode(), rng)
    code = str(rng.choice(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"]))
    return "\n".join(lines).encode(code, "replace")


ODD_VALUES = [None, True, -1, 0, 1, 2, 7, 1e300, "", "x", "relu", [], {}, [1], [None, 8, 8, 1], {"class_name": "Dense"}]


def mutated_json(value, rng):
    """A JSON value with one place changed."""
    inner = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    if not len(inner) or rng.random() < 0.08:
        return ODD_VALUES[rng.integers(0, len(ODD_VALUES))]
    key = list(inner)[rng.integers(0, len(inner))]
    copy = value.copy()
    if rng.random() < 0.05:
        del copy[key]
    else:
        copy[key] = mutated_json(value[key], rng)
    return copy
