#!/usr/bin/env python3
"""Writes tests/golden/cross_entropy.safetensors: PyTorch's cross_entropy of logits x W^T + b, with its
gradients, in f64 from inputs that are f32.

Cases: "mean", "sum", "smooth" (label smoothing 0.1, mean), "smooth_sum"; a third of the targets is
ignored (-100). The seed and the version used are in the file's metadata. Run by hand when a case is
added.
"""

import json
import pathlib

import safetensors.torch
import torch

FILE = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "cross_entropy.safetensors"
SEED = 1
ROWS, WIDTH, CLASSES = 15, 20, 70
CASES = {"mean": (0.0, "mean"), "sum": (0.0, "sum"),
         "smooth": (0.1, "mean"), "smooth_sum": (0.1, "sum")}


def main():
    torch.manual_seed(SEED)
    x, weight, bias = torch.randn(ROWS, WIDTH), torch.randn(CLASSES, WIDTH), torch.randn(CLASSES)
    targets = torch.randint(0, CLASSES, (ROWS,))
    targets[::3] = -100
    golden = {"x": x, "weight": weight, "bias": bias, "targets": targets.to(torch.int32)}
    for name, (smoothing, reduction) in CASES.items():
        leaves = [t.double().requires_grad_() for t in (x, weight, bias)]
        logits = leaves[0] @ leaves[1].T + leaves[2]
        logits.retain_grad()
        loss = torch.nn.functional.cross_entropy(logits, targets, label_smoothing=smoothing,
                                                 reduction=reduction)
        loss.backward()
        golden[f"{name}.loss"] = loss.detach()
        for part, tensor in zip(("x", "weight", "bias", "logits"), (*leaves, logits)):
            golden[f"{name}.d{part}"] = tensor.grad
    golden = {name: t.float() if t.dtype == torch.float64 else t for name, t in golden.items()}
    facts = {"versions": json.dumps({"torch": torch.__version__}), "seed": str(SEED)}
    safetensors.torch.save_file(golden, FILE, facts)


if __name__ == "__main__":
    main()
