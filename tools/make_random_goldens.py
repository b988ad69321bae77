"""Writes tests/golden/random.json: what torch and NumPy draw, for tests/base/random_test.cc.

Run with any Python that has torch and numpy: python tools/make_random_goldens.py
The versions used are recorded in the file.
"""

import json
import pathlib

import numpy
import torch


def draw(seed, *calls):
    torch.manual_seed(seed)
    return [call().flatten().tolist() for call in calls]


def main():
    normal_sizes = [3, 4, 15, 16, 17, 31, 32, 40, 5]
    torch.manual_seed(789)
    layer = torch.nn.Linear(3, 2)
    goldens = {
        "versions": {"torch": torch.__version__, "numpy": numpy.__version__},
        "rand": draw(123, lambda: torch.rand(7), lambda: torch.rand(3, 2)),
        "randn_sizes": normal_sizes,
        "randn": draw(42, *[lambda n=n: torch.randn(n) for n in normal_sizes]),
        "linear": [layer.weight.flatten().tolist(), layer.bias.tolist()],
        "dropout": draw(
            123,
            lambda: torch.nn.Dropout(0.5)(torch.ones(36)),
            lambda: torch.nn.Dropout(0.1)(torch.ones(40)),
        ),
        "numpy_randn": numpy.random.RandomState(42).randn(25).tolist(),
    }
    path = pathlib.Path(__file__).parent.parent / "tests" / "golden" / "random.json"
    path.write_text(json.dumps(goldens, indent=1) + "\n")


if __name__ == "__main__":
    main()
