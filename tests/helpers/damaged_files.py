"""Damaged copies of files."""

import random


def damaged(content: bytes, n_copies: int, seed: int = 0) -> list[bytes]:
    """Copies of a file that are cut, or in which bytes are changed, left out or repeated."""
    draw = random.Random(seed)
    copies = [content[: len(content) * k // 40] for k in range(40)]
    for _ in range(n_copies):
        copy = bytearray(content)
        for _ in range(draw.choice((1, 1, 2, 8))):
            place = draw.randrange(len(copy))
            kind = draw.randrange(4)
            if kind == 0:
                copy[place] = draw.randrange(256)
            elif kind == 1:
                copy[place] ^= 1 << draw.randrange(8)
            elif kind == 2:
                del copy[place : place + draw.choice((1, 4, 30))]
            else:
                copy[place:place] = copy[place : place + draw.choice((1, 4, 30))]
            copy = copy or bytearray(b"\0")
        copies.append(bytes(copy))
    return copies
