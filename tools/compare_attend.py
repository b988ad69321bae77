"""Compares random calls of `heed attend`, with outputs, gradients and reports, with the same written in PyTorch in f64
from the rules of docs/attend.md, and prints the record kept in docs/records/attend.md.

    python tools/compare_attend.py [--heed build/release/heed] [--cases 400] [--seed 1] > docs/records/attend.md

Needs torch, transformers, numpy. Exit status 1 at the first call whose arrays are further away than the tolerance.
"""

import argparse
import collections
import datetime
import math
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy
import torch
import transformers
from transformers.models.t5.modeling_t5 import T5Attention

CLOSE, SUMMED = 2e-5, 1e-4  # relative to max(1, |value|); sums over many f32 numbers get more
REPORT = "entropy,max,top3,received,self,first,previous,distance,squares,map5"


class Call:
    """One random call: its arrays as files in the working folder, its arguments, and the scores in f64."""

    def __init__(self, seed):
        self.random = numpy.random.default_rng(seed)
        self.arguments, self.used, self.leaves = [], [], {}
        self.segmented = self.chance(0.25)
        self.b = 1 if self.segmented else self.below(1, 4)
        self.g = self.below(1, 3)
        self.h = self.g * self.below(1, 4)
        self.t, self.s, self.d, self.e = self.below(1, 40), self.below(1, 60), self.below(1, 20), self.below(1, 20)
        q = self.input("q", self.b, self.h, self.t, self.d)
        k = self.input("k", self.b, self.g, self.s, self.d)
        self.v = self.input("v", self.b, self.g, self.s, self.e).repeat_interleave(self.h // self.g, 1)
        self.dy = self.array("dy", self.random.standard_normal((self.b, self.h, self.t, self.e)).astype("f4"))
        self.scores = q @ k.repeat_interleave(self.h // self.g, 1).transpose(2, 3) * self.scale()
        self.soften()
        self.place()
        self.hide()
        self.add_biases()

    def chance(self, p):
        return self.random.random() < p

    def below(self, least, end):
        return int(self.random.integers(least, end))

    def array(self, name, values):
        numpy.save(name + ".npy", values)
        return torch.tensor(values, dtype=torch.float64 if values.dtype == numpy.float32 else None)

    def input(self, name, *shape):
        leaf = self.array(name, self.random.standard_normal(shape).astype("f4")).requires_grad_()
        self.leaves["d" + name] = leaf
        return leaf

    def parameter(self, name, gradient, values):
        self.use("--" + name, name + ".npy")
        leaf = self.array(name, values.astype("f4")).requires_grad_()
        self.leaves[gradient] = leaf
        return leaf

    def use(self, *arguments):
        self.arguments += arguments
        self.used.append(arguments[0])

    def scale(self):
        if not self.chance(0.3):
            return 1 / math.sqrt(self.d)
        scale = float(numpy.float32(2 * self.random.random()))
        self.use("--scale", repr(scale))
        return scale

    def soften(self):
        if self.chance(0.3):
            cap = self.below(1, 10)
            self.use("--softcap", str(cap))
            self.scores = cap * torch.tanh(self.scores / cap)

    def place(self):
        """Positions of queries and keys, and what lengths and segments leave visible."""
        b, t, s = self.b, self.t, self.s
        self.visible = numpy.ones((b, self.h, t, s), bool)
        self.positions, self.keys = numpy.zeros((b, t)), numpy.tile(numpy.arange(s), (b, 1)).astype(float)
        lengths = numpy.full(b, s)
        if not self.segmented and self.chance(0.4):
            lengths = self.random.integers(0, s + 1, b)
            self.array("lengths", lengths.astype("i4"))
            self.use("--lengths", "lengths.npy")
            for row, length in enumerate(lengths):
                self.visible[row, :, :, length:] = False
        self.causal = self.random.choice(["", "", "top-left", "bottom-right", "offsets.npy"])
        offsets = self.random.integers(-3, s + 3, b)
        self.array("offsets", offsets)
        if self.causal:
            self.use("--causal", self.causal)

        def offset(row, queries, keys):
            return {"top-left": 0, "offsets.npy": offsets[row]}.get(self.causal, keys - queries)

        if not self.segmented:
            for row in range(b):
                self.positions[row] = numpy.arange(t) + offset(row, t, lengths[row])
            return
        count = self.below(1, 4)
        starts = [numpy.sort(numpy.r_[0, self.random.integers(0, n + 1, count - 1), n]) for n in (t, s)]
        for name, values in zip("qk", starts):
            self.array("cu_" + name, values.astype("i4"))
            self.use("--segments-" + name, f"cu_{name}.npy")
        self.visible[:] = False
        for i in range(count):
            (q0, q1), (k0, k1) = (values[i : i + 2] for values in starts)
            self.visible[0, :, q0:q1, k0:k1] = True
            self.positions[0, q0:q1] = numpy.arange(q1 - q0) + offset(0, q1 - q0, k1 - k0)
            self.keys[0, k0:k1] = numpy.arange(k1 - k0)

    def broadcast_shape(self):
        full = [1 if self.chance(0.4) else n for n in (self.b, self.h, self.t, self.s)]
        return full[self.below(0, 4) :]

    def hide(self):
        self.distance = (self.keys[:, None, :] - self.positions[:, :, None])[:, None]
        if self.causal:
            self.visible &= self.distance <= 0
        if self.chance(0.3):
            left, right = self.below(-1, 12), self.below(-1, 12)
            self.use("--window", f"{left},{right}")
            self.visible &= (left < 0) | (self.distance >= -left)
            self.visible &= (right < 0) | (self.distance <= right)
        if self.chance(0.3):
            mask = self.random.random(self.broadcast_shape()) < 0.8
            self.array("mask", mask)
            self.use("--mask", "mask.npy")
            self.visible &= mask

    def add_biases(self):
        distance = torch.tensor(self.distance)
        if self.chance(0.3):
            self.scores = self.scores + self.parameter("bias", "dbias", self.random.standard_normal(self.broadcast_shape()))
        if self.chance(0.3):
            slopes = self.parameter("alibi", "dalibi", 0.2 * self.random.standard_normal(self.h))
            self.scores = self.scores - slopes[None, :, None, None] * distance.abs()
        if self.chance(0.3):
            both, most = self.chance(0.5), int(self.random.choice([20, 40, 128]))
            table = self.parameter("t5-table", "dt5_table", self.random.standard_normal((self.random.choice([8, 16, 32]), self.h)))
            self.arguments += ["--t5-max-distance", str(most)] + both * ["--t5-bidirectional"]
            buckets = T5Attention._relative_position_bucket(distance[:, 0].long(), both, table.shape[0], most)
            self.scores = self.scores + table[buckets].permute(0, 3, 1, 2)
        self.sinks = self.parameter("sinks", "dsinks", self.random.standard_normal(self.h)) if self.chance(0.3) else None

    def expected(self):
        """Name to array, as heed attend's files have them."""
        scores = self.scores.masked_fill(~torch.tensor(self.visible), -math.inf)
        logits = scores
        if self.sinks is not None:
            column = self.sinks[None, :, None, None].expand(self.b, self.h, self.t, 1)
            logits = torch.cat([scores, column], -1)
        blind = (logits == -math.inf).all(-1, keepdim=True)
        open_logits = logits.masked_fill(blind, 0)
        weights = torch.softmax(open_logits, -1)[..., : self.s].masked_fill(blind, 0)
        y = weights @ self.v
        leaves = [*self.leaves.values(), self.scores]
        *gradients, of_scores = torch.autograd.grad((y * self.dy).sum(), leaves, materialize_grads=True)
        # The slopes' gradient is a sum of terms of both signs, many times as large as itself.
        self.slope_terms = (of_scores.abs() * torch.tensor(abs(self.distance))).sum((0, 2, 3)).numpy()
        found = {"y": y, "scores": scores, "weights": weights,
                 "lse": torch.logsumexp(open_logits, -1).masked_fill(blind[..., 0], -math.inf)}
        found.update(zip(self.leaves, gradients))
        found = {name: value.detach().numpy() for name, value in found.items()}
        return {**found, **self.statistics(found["weights"])}

    def statistics(self, p):
        at = {name: (p * (self.distance == n)).sum(-1) for name, n in (("self", 0), ("previous", -1))}
        logs = numpy.log(p, where=p > 0, out=numpy.zeros_like(p))
        first = (p * (self.keys == 0)[:, None, None, :] * self.visible).sum(-1)
        return {**at, "first": first, "entropy": -(p * logs).sum(-1), "max": p.max(-1), "squares": (p * p).sum(-1),
                "distance": (p * abs(self.distance)).sum(-1), "received": p.sum(2), "tile": p}


def check(found, expected, tolerance, what, scale=1):
    if found.shape != expected.shape:
        sys.exit(f"{what}: {found.shape} instead of {expected.shape}")
    found = found.astype("f8")
    scale = numpy.maximum(scale, abs(expected))
    with numpy.errstate(invalid="ignore"):
        good = (found == expected) | (abs(found - expected) <= tolerance * scale)
        off = numpy.where(found == expected, 0, abs(found - expected) / scale)
    if not good.all():
        sys.exit(f"{what}: off by {off.max()}")
    return off.max(initial=0)


def check_keys(report, p, what):
    """What names keys: compared by their weights, which may tie."""
    seen = p.max(-1) > 0
    keys = report["max_key"]
    named = numpy.take_along_axis(p, numpy.maximum(keys, 0)[..., None], -1)[..., 0]
    if (keys[~seen] != -1).any() or (abs(named - p.max(-1))[seen] > CLOSE).any():
        sys.exit(f"{what}: max_key")
    count = min(3, p.shape[-1])
    check(report["top3_weights"][..., :count], numpy.sort(p, -1)[..., ::-1][..., :count], CLOSE, f"{what}: top3")
    rows, columns = report["map5_row_edges"][:-1], report["map5_key_edges"][:-1]
    check(report["map5_sum"], numpy.add.reduceat(numpy.add.reduceat(p, rows, 2), columns, 3), SUMMED, f"{what}: map5")


def compare(heed, seed, worst, used):
    call = Call(seed)
    threads = str(call.below(1, 4))
    command = [heed, "attend", "q.npy", "k.npy", "v.npy", *call.arguments, "--threads", threads, "--grad-y", "dy.npy",
               "--grads", "grads.npz", "--report", REPORT, "--tile", f"0:{call.t},0:{call.s}", "--save", "report.npz"]
    for name in ("y", "lse", "weights", "scores"):
        command += ["--" + name, name + ".npy"]
    what = f"seed {seed}, {' '.join(call.arguments)}"
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{what}: {done.stderr}")
    report = dict(numpy.load("report.npz"))
    found = {**{name: numpy.load(name + ".npy") for name in ("y", "lse", "weights", "scores")}, **report,
             **numpy.load("grads.npz")}
    for name, expected in call.expected().items():
        summed = name.startswith("d") or name in ("received", "entropy")
        scale = numpy.maximum(1, call.slope_terms) if name == "dalibi" else 1
        off = check(found[name], expected, SUMMED if summed else CLOSE, f"{what}: {name}", scale)
        worst[name] = max(worst[name], off)
    check_keys(report, numpy.load("weights.npy").astype("f8"), what)
    used.update(call.used)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heed", default="build/release/heed")
    parser.add_argument("--cases", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    root = pathlib.Path(__file__).parent.parent
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=root, capture_output=True, text=True).stdout.strip()
    heed = str(pathlib.Path(given.heed).resolve())
    worst, used = collections.Counter(), collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for seed in range(given.seed, given.seed + given.cases):
            compare(heed, seed, worst, used)
        os.chdir("/")
    print(f"""# `heed attend` equals PyTorch in f64

{given.cases} random calls of `heed attend` on {datetime.date.today()}, each with all outputs, gradients, a report and a tile, against the
same in PyTorch in f64, written from the rules of [attend.md](../attend.md). **All agree** within {CLOSE:g} of max(1, |value|)
({SUMMED:g} for gradients, entropy and received attention; `dalibi` also of the sum of its terms' sizes).

    python tools/compare_attend.py --cases {given.cases} --seed {given.seed}

| what | |
|---|---|
| commit | {commit} |
| torch, transformers, numpy | {torch.__version__}, {transformers.__version__}, {numpy.__version__} |
| options, in how many calls | {", ".join(f"`{name}` {count}" for name, count in sorted(used.items()))} |

| array | furthest off, of max(1, \\|value\\|) |
|---|---|""")
    for name, off in worst.items():
        print(f"| `{name}` | {off:.1e} |")


if __name__ == "__main__":
    main()
