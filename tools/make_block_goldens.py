#!/usr/bin/env python3
"""Writes blocks of weights and the numbers that they stand for, by the Python package gguf.

    python tools/make_block_goldens.py

Needs gguf (0.19 was used), numpy, safetensors. Writes tests/golden/blocks.safetensors: for each kind
KIND/blocks (bytes [2, row bytes]) and KIND/numbers (f32 [2, 512]), what gguf.quants.dequantize makes of
them; x (f32 [9, 64]) and, for the kinds that it quantises, KIND/quantized, the bytes that it makes of x.
"""

import pathlib

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from safetensors.numpy import save_file

SEED = 20261122
GOLDEN = pathlib.Path(__file__).parent.parent / "tests" / "golden"
# where a block has f16
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q4_K": [0, 2],
          "Q5_K": [0, 2], "Q6_K": [208], "BF16": []}


def random_blocks(random, name):
    size, bytes_ = gguf.GGML_QUANT_SIZES[Type[name]]
    count = 2 * 512 // size
    blocks = random.integers(0, 256, (count, bytes_), dtype=np.uint8)
    for at in HALVES[name]:
        scales = random.uniform(-0.1, 0.1, count).astype(np.float16)
        scales[0] = 0.0
        scales[1] = 3e-6  # not a normal number
        blocks[:, at:at + 2] = scales.view(np.uint8).reshape(count, 2)
    if name == "BF16":
        numbers = random.uniform(-1, 1, count).astype(np.float32)
        blocks = (numbers.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
    return blocks.reshape(2, -1)


def inputs(random):
    x = random.normal(0, 1, (9, 64)).astype(np.float32)
    x[1] = 0
    x[2] = 0.3
    x[3] = random.integers(-253, 254, 64) / 2  # q8_0: ties, with a step of 1
    x[3, [0, 32]] = 127
    x[4] = random.integers(0, 31, 64) / 2  # q4_1
    x[4, [0, 32]], x[4, [1, 33]] = 0, 15
    x[5] = random.integers(-16, 16, 64) / 2  # q4_0
    x[5, [0, 32]] = -8
    x[6] *= 1e-6
    x[7] *= 1e4
    x[8, ::2] = -x[8, 1::2]  # pairs of the same size: the first one counts
    return x


def main():
    random = np.random.default_rng(SEED)
    tensors = {}
    for name in HALVES:
        blocks = random_blocks(random, name)
        numbers = gguf.quants.dequantize(blocks, Type[name])
        tensors[f"{name.lower()}/blocks"] = blocks
        tensors[f"{name.lower()}/numbers"] = np.ascontiguousarray(numbers.astype(np.float32))
    x = inputs(random)
    tensors["x"] = x
    for name in ["BF16", "F16", "Q4_0", "Q4_1", "Q8_0"]:
        quantized = gguf.quants.quantize(x, Type[name])
        tensors[f"{name.lower()}/quantized"] = np.ascontiguousarray(quantized).view(np.uint8)
    save_file(tensors, GOLDEN / "blocks.safetensors",
              metadata={"seed": str(SEED), "gguf": __import__("importlib.metadata").metadata.version("gguf")})


if __name__ == "__main__":
    main()
