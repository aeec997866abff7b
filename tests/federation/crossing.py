"""Looks for the values of owners' rows in whatever crossed the wire."""

import re
from collections.abc import Iterable

import numpy as np

_NUMBER = re.compile(rb"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_DIGITS = 5  # a shorter number, such as 0.0 or 12, says nothing and is everywhere


def values_in(crossed: Iterable[bytes], *tables: np.ndarray) -> list[str]:
    """Return where in messages values of rows appear, a sentence for each finding.

    Looked for at every byte, in both orders of bytes: values as float64; as float32, two that are
    neighbours in a row or a column (single ones of 32 bits would be found by chance); and the
    decimal text of values as they are in the tables and rounded to float32. Not found would be what
    is compressed, encrypted or written in base64.

    Args:
        crossed: all messages, as they were on the wire.
        tables: rows of owners ``(rows, features)``: as in their files, standardised, and in any
            other form that a node knows.
    """
    patterns, texts = set[bytes](), set[bytes]()
    for table in tables:
        telling = _telling(table)
        patterns |= _patterns(table, telling)
        for value in table[telling].tolist():
            single = abs(np.float32(value))
            texts |= {
                text.encode() for text in (repr(abs(value)), str(single), repr(float(single)))
            }
    wanted = np.array(sorted(int.from_bytes(each, "little") for each in patterns), dtype="<u8")
    found = []
    for number, message in enumerate(crossed):
        for start in range(8):
            whole = (len(message) - start) // 8 * 8
            words = np.frombuffer(message[start : start + max(0, whole)], dtype="<u8")
            places = np.flatnonzero(np.isin(words, wanted))
            found += [f"message {number}, byte {start + 8 * int(p)}: a value" for p in places]
        for match in _NUMBER.finditer(message):
            if match[0] in texts:
                found.append(f"message {number}, byte {match.start()}: {match[0].decode()}")
    return found


def _telling(table: np.ndarray) -> np.ndarray:
    """Return which values have enough digits to be known again."""
    digits = [len(re.sub(r"e.*|\D", "", repr(v)).strip("0")) for v in table.ravel().tolist()]
    return np.array(digits).reshape(table.shape) >= _DIGITS


def _patterns(table: np.ndarray, telling: np.ndarray) -> set[bytes]:
    single = table.astype(np.float32)
    pairs = [
        np.stack([first[both], second[both]], axis=-1)
        for first, second, both in (
            (single[:, :-1], single[:, 1:], telling[:, :-1] & telling[:, 1:]),
            (single[:-1], single[1:], telling[:-1] & telling[1:]),
        )
    ]
    words = [table[telling].astype(f"{order}f8").reshape(-1, 1) for order in "<>"]
    words += [pair.astype(f"{order}f4") for order in "<>" for pair in pairs]
    return {row.tobytes() for each in words for row in each}
