"""The texts that encoders read in benchmarks: bench/texts.h makes the same ids.

A cell is batch x tokens; 32x128r is ragged: its texts are as long as texts are.
"""
import numpy as np

SPREAD = 0.6  # of the lengths' logarithms: sentences of news and of reviews have 0.5 to 0.7
SHORTEST = 4


def parse_cell(cell):
    """The length of each text. Ragged: lognormal around 2/7 of the longest, which is there."""
    batch, tokens = map(int, cell.rstrip("r").split("x"))
    if not cell.endswith("r"):
        return [tokens] * batch
    drawn = tokens * 2 / 7 * np.exp(SPREAD * np.random.RandomState(7).standard_normal(batch))
    lengths = [int(n) for n in np.clip(drawn, min(SHORTEST, tokens), tokens)]
    lengths[int(np.argmax(lengths))] = tokens
    return lengths


def make_ids(lengths, padding=0):
    """[B, T] i64, whose texts end where their lengths say."""
    b, t = np.meshgrid(np.arange(len(lengths)), np.arange(max(lengths)), indexing="ij")
    ids = 1000 + (b * 131 + t * 7919 + b * t) % 28000
    return np.where(make_mask(lengths) == 1, ids, padding).astype(np.int64)


def make_mask(lengths):
    return (np.arange(max(lengths)) < np.array(lengths)[:, None]).astype(np.int64)


def is_ragged(lengths):
    return min(lengths) < max(lengths)
