#!/usr/bin/env python3
"""The loss of `heed train translate` beside PyTorch's nn.Transformer, update by update.

    python tools/compare_translation.py --heed build/release/heed --source train.en --target train.de

Heed trains without dropout; PyTorch starts from Heed's first weights and takes the same batches, once
in f32 and once in f64. Prints losses now and then and how far each f32 run is from f64 at most; the
exit status is 1 if Heed is more than twice as far as PyTorch's own f32. Needs torch, tokenizers,
safetensors.
"""

import argparse
import json
import pathlib
import sys
import tempfile

import tokenizers
import torch
from torch import nn
from torch.nn import functional as F

import heed_run
from heed_run import IGNORED, padded
from make_model_goldens import Translator

# With 100 updates of warm-up the rate would reach 9e-3 and training be chaotic: f32 and f64 part within 100 updates.
BATCH, BLOCK, WARMUP, SMOOTHING = 32, 64, 1000, 0.1
SETTINGS = ["--vocab", 4000, "--layers", 2, "--width", 128, "--heads", 4, "--batch", BATCH, "--block", BLOCK,
            "--dropout", 0, "--label-smoothing", SMOOTHING, "--validation-part", 0, "--log-every", 1,
            "--skip-bad"]  # two of the 10,000 pairs have an empty side
NOAM = ["--schedule", "noam", "--warmup-steps", WARMUP]


def rows_of(options, folder):
    """Ids of each side as the task makes them: sources end with the end token."""
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    config = json.loads((folder / "config.json").read_text())
    begin, end = config["decoder_start_token_id"], config["eos_token_id"]

    def ids(text):
        return tokenizer.encode(text, add_special_tokens=False).ids[:BLOCK - 1]

    lines = (path.read_text().split("\n")[:-1] for path in (options.source, options.target))
    pairs = [pair for pair in zip(*lines) if all(text.strip() for text in pair)]
    return [ids(a) + [end] for a, _ in pairs], [ids(b) for _, b in pairs], begin, end


def model_of(folder, weights, dtype):
    config = json.loads((folder / "config.json").read_text())
    stack = nn.Transformer(config["d_model"], config["nhead"], config["num_encoder_layers"],
                           config["num_decoder_layers"], config["dim_feedforward"], dropout=0.0,
                           norm_first=config["norm_first"], batch_first=True)
    if not config["norm_first"]:
        stack.encoder.norm = stack.decoder.norm = None
    model = Translator(stack, (config["vocab_size"],) * 2, True, True)
    model.load_state_dict(weights)
    return model.to(dtype).train(), config["d_model"]


def torch_losses(options, folder, weights, dtype):
    model, width = model_of(folder, weights, dtype)
    optimizer = heed_run.adamw(model, 0.01)
    sources, targets, begin, end = rows_of(options, folder)
    lengths = [max(len(source), len(target) + 1) for source, target in zip(sources, targets)]
    losses = []
    for epoch in range(options.steps):
        for batch in heed_run.epoch_batches(lengths, BATCH, 0, epoch):
            source = padded([sources[row] for row in batch], 0)
            padding = padded([[0] * len(sources[row]) for row in batch], 1).bool()
            before = padded([[begin] + targets[row] for row in batch], 0)
            after = padded([targets[row] + [end] for row in batch], IGNORED)
            logits = model(source, padding, before)[2]
            loss = F.cross_entropy(logits.flatten(0, 1), after.flatten(), label_smoothing=SMOOTHING)
            step = len(losses)
            losses.append(loss.item())
            heed_run.update(model, optimizer, loss,
                            heed_run.rate("noam", 1, step, WARMUP, options.steps, width))
            if len(losses) == options.steps:
                return losses


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heed", default="build/release/heed")
    parser.add_argument("--source", type=pathlib.Path, required=True)
    parser.add_argument("--target", type=pathlib.Path, required=True)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    settings = ["--data", f"{options.source},{options.target}", *SETTINGS, "--threads", options.threads]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        weights = heed_run.first_weights(options.heed, "translate", folder / "first", settings)
        run = heed_run.train(options.heed, "translate", folder / "run",
                             [*settings, *NOAM, "--steps", options.steps])
        ours = [line["loss"] for line in run if "loss" in line]
        theirs = torch_losses(options, folder / "run", weights, torch.float32)
        exact = torch_losses(options, folder / "run", weights, torch.float64)
    print(f"torch {torch.__version__}, {options.steps} updates, batches of {BATCH} pairs")
    sys.exit(0 if heed_run.near_exact(ours, theirs, exact) else 1)


if __name__ == "__main__":
    main()
