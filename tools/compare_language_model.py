#!/usr/bin/env python3
"""A language model of characters trained by `heed train lm` beside transformers' GPT-2, over seeds.

    python tools/compare_language_model.py --heed build/release/heed --data tinyshakespeare/input.txt

nanoGPT's setting for CPUs (4 layers, 4 heads, width 128, blocks of 64, batches of 12, no dropout). For each
seed both start from the same weights and take the same windows of the text; both are judged on all of its
last tenth, read in order. Prints how far the losses of the updates are apart, and the losses of the last
tenth. Needs torch, transformers, tokenizers, safetensors.
"""

import argparse
import pathlib
import time

import tokenizers
import torch
import transformers

import heed_run

BLOCK, BATCH, WARMUP, RATE, FLOOR, DECAY, BETAS = 64, 12, 100, 1e-3, 1e-4, 0.1, (0.9, 0.99)
SIZES = ["--tokenizer", "characters", "--layers", 4, "--heads", 4, "--width", 128, "--block", BLOCK,
         "--batch", BATCH, "--dropout", 0]
RECIPE = ["--learning-rate", RATE, "--floor-rate", FLOOR, "--schedule", "cosine", "--warmup-steps", WARMUP,
          "--beta2", BETAS[1], "--weight-decay", DECAY, "--clip", 1]


def ids_of(path, folder):
    """The text's ids: those to train on and the last tenth."""
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    ids = torch.tensor([i for line in tokenizer.encode_batch(lines) for i in line.ids])
    return ids.tensor_split([int(len(ids) * 0.9)])


def loss_of(model, ids, targets, **how):
    logits = model(ids).logits
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), **how)


@torch.no_grad()
def judge(model, ids):
    """Mean loss of all tokens but the first, in windows one after the other."""
    model.eval()
    total = 0.0
    for inputs, targets in zip(ids[:-1].split(64 * BLOCK), ids[1:].split(64 * BLOCK)):
        filler = -len(inputs) % BLOCK
        inputs = torch.nn.functional.pad(inputs, (0, filler)).view(-1, BLOCK)
        targets = torch.nn.functional.pad(targets, (0, filler), value=heed_run.IGNORED).view(-1, BLOCK)
        total += loss_of(model, inputs, targets, reduction="sum").item()
    return total / (len(ids) - 1)


def torch_run(options, folder, seed):
    """The loss of each update and the one of the last tenth in the end."""
    train, valid = ids_of(options.data, folder)
    model = transformers.GPT2LMHeadModel.from_pretrained(folder).train()
    optimizer = heed_run.adamw(model, DECAY, BETAS)
    losses = []
    for step in range(options.steps):
        rows = torch.stack([train[begin:begin + BLOCK + 1]
                            for begin in heed_run.windows(len(train) - BLOCK, BATCH, seed, step)])
        loss = loss_of(model, rows[:, :-1], rows[:, 1:])
        losses.append(loss.item())
        heed_run.update(model, optimizer, loss,
                        heed_run.rate("cosine", RATE, step, WARMUP, options.steps, 0, FLOOR))
    return losses, judge(model, valid)


def compare(options, seed, folder):
    settings = ["--data", options.data, *SIZES, "--seed", seed, "--threads", options.threads]
    heed_run.first_weights(options.heed, "lm", folder / "first", [*settings, "--eval-batches", 1])
    start = time.time()
    metrics = heed_run.train(options.heed, "lm", folder / "run",
                             [*settings, *RECIPE, "--steps", options.steps, "--log-every", 1,
                              "--eval-every", options.steps])
    seconds = [time.time() - start]
    start = time.time()
    losses, theirs = torch_run(options, folder / "first", seed)
    seconds.append(time.time() - start)
    apart = [abs(line["loss"] - loss) for line, loss in zip((m for m in metrics if "loss" in m), losses)]
    found = [next(line["valid_loss"] for line in metrics if "valid_loss" in line), theirs]
    told = ", ".join(f"{apart[i - 1]:.1e} at {i}" for i in (1, 10, 100, 1000) if i <= options.steps)
    print(f"seed {seed}: losses apart {told}; last tenth heed {found[0]:.4f} in {seconds[0]:.0f} s, torch "
          f"{found[1]:.4f} in {seconds[1]:.0f} s", flush=True)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heed", default="build/release/heed")
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, {options.steps} updates", flush=True)
    heed_run.over_seeds(options.seeds, lambda seed, folder: compare(options, seed, folder))


if __name__ == "__main__":
    main()
