#!/usr/bin/env python3
"""Writes tests/golden/optimizers.safetensors: parameters after 1, 100 and 1,000 updates by PyTorch's
optimisers, transformers' Adafactor, and Lion as its authors print it.

Gradients and first weights are a formula (numbers()) that tests/train/optimizer_test.cc has too, so
only results are kept. The versions used are in the file's metadata. Run by hand when a case is added.
"""

import json
import pathlib

import numpy as np
import safetensors.torch
import torch
import transformers

FILE = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "optimizers.safetensors"
SHAPES = {"matrix": (24, 17), "cube": (2, 5, 7), "bias": (17,)}
SNAPSHOTS = (1, 100, 1000)
RATE = 1e-3


def numbers(stream, count):
    """SplitMix64 (Steele et al. 2014) of stream x 2^32 + i: 24 bits each, in [-0.5, 0.5)."""
    z = (np.uint64(stream) << np.uint64(32)) + np.arange(count, dtype=np.uint64)
    z = (z + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)) - np.float32(0.5)


def gradient(step, parameter, shape):
    """Of sizes over six powers of two: element i times 2^-(i mod 6)."""
    values = numbers(1000 * (parameter + 1) + step, int(np.prod(shape)))
    scale = np.exp2(-(np.arange(values.size) % 6)).astype(np.float32)
    return torch.from_numpy((values * scale).reshape(shape))


class Lion(torch.optim.Optimizer):
    """Chen et al. 2023, algorithm 2, in the order of their published program."""

    def __init__(self, params, lr, betas, weight_decay):
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                p.mul_(1 - group["lr"] * group["weight_decay"])
                moment = self.state[p].setdefault("exp_avg", torch.zeros_like(p))
                update = moment * beta1 + p.grad * (1 - beta1)
                p.add_(update.sign_(), alpha=-group["lr"])
                moment.mul_(beta2).add_(p.grad, alpha=1 - beta2)


def optimizers():
    decay = 0.1
    return {
        "sgd": lambda p: torch.optim.SGD(p, lr=RATE),
        "momentum": lambda p: torch.optim.SGD(p, lr=RATE, momentum=0.9, weight_decay=decay),
        "nesterov": lambda p: torch.optim.SGD(p, lr=RATE, momentum=0.9, nesterov=True),
        "adam": lambda p: torch.optim.Adam(p, lr=RATE, weight_decay=decay),
        "adamw": lambda p: torch.optim.AdamW(p, lr=RATE, weight_decay=decay),
        "adafactor": lambda p: transformers.Adafactor(
            p, lr=RATE, scale_parameter=True, relative_step=False, weight_decay=decay),
        "adafactor_moment": lambda p: transformers.Adafactor(
            p, lr=RATE, scale_parameter=False, relative_step=False, beta1=0.9),
        "lion": lambda p: Lion(p, lr=RATE / 10, betas=(0.9, 0.99), weight_decay=decay),
    }


def trained(make):
    parameters = {
        name: torch.nn.Parameter(torch.from_numpy(numbers(i, int(np.prod(shape))).reshape(shape)))
        for i, (name, shape) in enumerate(SHAPES.items())
    }
    optimizer = make(list(parameters.values()))
    for step in range(1, max(SNAPSHOTS) + 1):
        for i, (name, shape) in enumerate(SHAPES.items()):
            parameters[name].grad = gradient(step, i, shape)
        optimizer.step()
        if step in SNAPSHOTS:
            yield from ((f"{step}.{name}", p.detach().clone()) for name, p in parameters.items())


def main():
    torch.set_num_threads(1)
    golden = {f"{kind}.{name}": value
              for kind, make in optimizers().items() for name, value in trained(make)}
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    safetensors.torch.save_file(golden, FILE, {"versions": json.dumps(versions)})


if __name__ == "__main__":
    main()
