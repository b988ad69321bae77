"""What a run of `heed train` is a function of, for PyTorch to train on the same: batches, first
weights, rates, optimiser. Used by the tools/compare_*.py that train.

Follows heed/base/philox.h, heed/train/draws.h, data_text.cc, data_order.cc,
token_rows.cc, schedule.cc and parameter_groups.cc; the comparisons themselves are the proof that it does.
"""

import json
import math
import pathlib
import statistics
import subprocess
import tempfile

import safetensors.torch
import torch

WORD = 0xFFFFFFFF
IGNORED = -100  # a target that does not count
FOR_WINDOWS, FOR_ORDER, FOR_SEEDS = 1, 2, 2  # DrawFor::windows, DrawFor::order, PhiloxUse::seeds


def philox(key, counter):
    k0, k1 = key & WORD, key >> 32
    c0, c1, c2, c3 = counter
    for _ in range(7):
        a, b = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (b >> 32) ^ c1 ^ k0, b & WORD, (a >> 32) ^ c3 ^ k1, a & WORD
        k0, k1 = (k0 + 0x9E3779B9) & WORD, (k1 + 0xBB67AE85) & WORD
    return c0, c1


def derived_seed(seed, i):
    low, high = philox(seed, (i & WORD, i >> 32, 0, FOR_SEEDS))
    return low | high << 32


def shuffle(items, seed, part):
    of_part = derived_seed(derived_seed(seed, FOR_ORDER), part % 2**64)
    for i in range(len(items), 1, -1):
        j = derived_seed(of_part, i) % i
        items[i - 1], items[j] = items[j], items[i - 1]
    return items


def windows(places, rows, seed, number):
    """Where the rows of a batch of a language model begin."""
    of_batch = derived_seed(derived_seed(seed, FOR_WINDOWS), number)
    return [derived_seed(of_batch, row) % places for row in range(rows)]


def epoch_batches(lengths, rows, seed, epoch, tokens=0):
    """The rows of each batch of an epoch: runs of 100 batches' rows are sorted by length."""
    order = shuffle(list(range(len(lengths))), seed, 2 * epoch)
    batches, longest = [], 0
    for begin in range(0, len(order), 100 * rows):
        for row in sorted(order[begin:begin + 100 * rows], key=lambda row: -lengths[row]):
            full = not batches or len(batches[-1]) == rows or (
                tokens and (len(batches[-1]) + 1) * max(longest, lengths[row]) > tokens)
            if full:
                batches.append([])
                longest = 0
            batches[-1].append(row)
            longest = max(longest, lengths[row])
    return [batches[place] for place in shuffle(list(range(len(batches))), seed, 2 * epoch + 1)]


def rate(schedule, peak, step, warmup, total, width, floor=0.0):
    """learning_rate() of heed/train/schedule.h, step from 0."""
    if schedule == "noam":
        return peak * min((step + 1)**-0.5, (step + 1) * warmup**-1.5) * width**-0.5
    if schedule == "cosine":
        if step < warmup:
            return peak * (step + 1) / (warmup + 1)
        part = (step - warmup) / (total - warmup)
        return floor + (1 + math.cos(math.pi * part)) / 2 * (peak - floor)
    if step < warmup:
        return peak * step / warmup
    return peak * (total - step) / max(1, total - warmup) if schedule == "linear" else peak


def adamw(model, weight_decay, betas=(0.9, 0.999), epsilon=1e-8):
    """Matrices and embeddings decay, gains and biases do not."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [{"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
              {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=0, betas=betas, eps=epsilon)


def update(model, optimizer, loss, learning_rate, clip=1.0):
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    optimizer.step()


def padded(rows, filler):
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True,
                                           padding_value=filler)


def train(heed, task, folder, arguments):
    """Runs `heed train`; returns its metrics, one dict a line."""
    subprocess.run([heed, "train", task, "--out", folder, "--quiet", *map(str, arguments)], check=True)
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def first_weights(heed, task, folder, arguments):
    """The weights that a run begins with: one update at rate 0, as the first one of a warm-up is."""
    train(heed, task, folder, [*arguments, "--schedule", "constant", "--warmup-steps", 1, "--steps", 1])
    return safetensors.torch.load_file(folder / "model.safetensors")


def over_seeds(seeds, compare):
    """compare(seed, folder) gives what Heed and PyTorch reached; prints the means of both."""
    found = []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as name:
            found.append(compare(seed, pathlib.Path(name)))
    for who, results in zip(("heed", "torch"), zip(*found)):
        spread = f", deviation {statistics.stdev(results):.4f}" if len(results) > 1 else ""
        print(f"{who}: mean {statistics.mean(results):.4f}{spread}")


def near_exact(ours, theirs, exact):
    """Prints losses of Heed, of PyTorch and of PyTorch in f64 now and then; whether Heed's are at most
    twice as far from those in f64 as PyTorch's own f32."""
    print("update   heed      torch f32 torch f64")
    last = len(exact) - 1
    for step in [s for s in (0, 1, 9, 49, 99, 149) if s < last] + [last]:
        print(f"{step + 1:6}   {ours[step]:.6f}  {theirs[step]:.6f}  {exact[step]:.6f}")
    apart = [max(abs(a - b) for a, b in zip(losses, exact)) for losses in (ours, theirs)]
    print(f"farthest from f64: heed {apart[0]:.2e}, torch f32 {apart[1]:.2e}", flush=True)
    return apart[0] <= 2 * apart[1]
