#!/usr/bin/env python3
"""Fine-tuning by `heed train classify` or `ner` beside PyTorch and transformers, over seeds.

    python tools/compare_finetune.py classify --heed build/release/heed --model FOLDER \\
        --train banking77/train.csv --test banking77/test.csv --batch 32 --rate 2e-4
    python tools/compare_finetune.py ner --heed build/release/heed --model FOLDER \\
        --train wnut17/train.conll --test wnut17/test.conll --batch 16 --rate 2e-4 --epochs 4

AdamW, linear with 10 % warm-up, over all rows of the training file. For each seed both start from the same
weights, the new head included, and take the same batches. Dropout draws its own numbers in each; with
--dropout 0 the losses of both are compared too, update by update. The test file is read at the end: both
results are loaded by transformers and judged by the same function (accuracy, or F1 of whole names). Needs
torch, transformers, tokenizers.
"""

import argparse
import csv
import pathlib
import time

import tokenizers
import torch
import transformers

import heed_run

BLOCK, DECAY = 64, 0.01
CLASSES = {"classify": transformers.BertForSequenceClassification,
           "ner": transformers.BertForTokenClassification}


def read_rows(task, path):
    """Texts with their label, or words with their tags."""
    if task == "classify":
        with open(path, newline="") as file:
            return [(row["text"], row["category"]) for row in csv.DictReader(file)]
    sentences, now = [], []
    for line in path.read_text().split("\n") + [""]:
        if line.strip():
            word, tag = line.strip().split()[0], line.strip().split()[-1]
            now.append((word, tag))
        elif now:
            sentences.append(([word for word, _ in now], [tag for _, tag in now]))
            now = []
    return sentences


def encoded(task, rows, tokenizer, label_ids):
    """(ids, target) of each row: a class, or a tag on each word's first piece."""
    for row, answer in rows:
        if task == "classify":
            yield tokenizer.encode(row).ids, label_ids[answer]
            continue
        ends, text = [], ""
        for word in row:
            text += (" " if text else "") + word
            ends.append(len(text))
        encoding = tokenizer.encode(text)
        targets, last, word = [heed_run.IGNORED] * len(encoding.ids), -1, 0
        for i, (start, end) in enumerate(encoding.offsets):
            if encoding.special_tokens_mask[i] or start == end:
                continue
            while ends[word] < end:
                word += 1
            if word != last:
                targets[i], last = label_ids[answer[word]], word
        yield encoding.ids, targets


def batch_of(rows):
    ids, targets = zip(*rows)
    longest = max(map(len, ids))
    padded = torch.tensor([row + [0] * (longest - len(row)) for row in ids])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids])
    if isinstance(targets[0], list):
        targets = [row + [heed_run.IGNORED] * (longest - len(row)) for row in targets]
    return padded, mask, torch.tensor(targets)


def spans(tags):
    """Names as conlleval counts them: (first, last, kind)."""
    found, start, kind = set(), None, None
    for i, tag in enumerate([*tags, "O"]):
        if start is not None and not (tag.startswith("I-") and tag[2:] == kind):
            found.add((start, i - 1, kind))
            start = None
        if tag != "O" and start is None:
            start, kind = i, tag[2:]
    return found


@torch.no_grad()
def judge(task, model, rows):
    """Accuracy, or F1 of whole names."""
    model.eval()
    names = model.config.id2label
    right = guessed = wanted = 0
    for begin in range(0, len(rows), 64):
        ids, mask, targets = batch_of(rows[begin:begin + 64])
        best = model(ids, attention_mask=mask).logits.argmax(-1)
        if task == "classify":
            right += (best == targets).sum().item()
            continue
        for guess, truth in zip(best.tolist(), targets.tolist()):
            words = [(g, t) for g, t in zip(guess, truth) if t != heed_run.IGNORED]
            ours, theirs = (spans([names[pair[side]] for pair in words]) for side in (0, 1))
            right, guessed, wanted = right + len(ours & theirs), guessed + len(ours), wanted + len(theirs)
    return right / len(rows) if task == "classify" else 2 * right / max(1, guessed + wanted)


def torch_run(options, folder, rows, seed, total):
    """The trained model and the loss of each update."""
    torch.manual_seed(seed)
    model = CLASSES[options.task].from_pretrained(folder).train()
    optimizer = heed_run.adamw(model, DECAY)
    lengths = [len(ids) for ids, _ in rows]
    losses = []
    for epoch in range(options.epochs):
        for batch in heed_run.epoch_batches(lengths, options.batch, seed, epoch):
            ids, mask, targets = batch_of([rows[i] for i in batch])
            logits = model(ids, attention_mask=mask).logits
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, -2), targets.flatten())
            step = len(losses)
            losses.append(loss.item())
            heed_run.update(model, optimizer, loss,
                            heed_run.rate("linear", options.rate, step, total // 10, total, 0))
    assert len(losses) == total, (len(losses), total)
    return model, losses


def compare(options, seed, folder):
    train, test = (read_rows(options.task, path) for path in (options.train, options.test))
    total = options.epochs * -(-len(train) // options.batch)
    settings = ["--data", options.train, "--model", options.model, "--batch", options.batch, "--block", BLOCK,
                "--validation-part", 0, "--seed", seed, "--weight-decay", DECAY, "--dropout", options.dropout,
                "--learning-rate", options.rate, "--threads", options.threads]
    heed_run.first_weights(options.heed, options.task, folder / "first", settings)
    start = time.time()
    metrics = heed_run.train(options.heed, options.task, folder / "run",
                             [*settings, "--schedule", "linear", "--warmup-steps", total // 10, "--steps", total,
                              "--save-every", total, "--log-every", 1])
    seconds = [time.time() - start]
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "run" / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(BLOCK)
    ours = CLASSES[options.task].from_pretrained(folder / "run")
    rows = list(encoded(options.task, train, tokenizer, ours.config.label2id))
    start = time.time()
    theirs, losses = torch_run(options, folder / "first", rows, seed, total)
    seconds.append(time.time() - start)
    if options.dropout == 0:
        apart = [abs(line["loss"] - loss) for line, loss in zip((m for m in metrics if "loss" in m), losses)]
        print(f"seed {seed}: losses {losses[0]:.6f} to {losses[-1]:.6f}, apart {apart[0]:.1e} after 1 update, "
              f"{max(apart[:10]):.1e} at most after 10, {max(apart):.1e} after all", flush=True)
    answers = list(encoded(options.task, test, tokenizer, ours.config.label2id))
    found = [judge(options.task, model, answers) for model in (ours, theirs)]
    print(f"seed {seed}: {total} updates, heed {found[0]:.4f} in {seconds[0]:.0f} s, "
          f"torch {found[1]:.4f} in {seconds[1]:.0f} s", flush=True)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=CLASSES)
    parser.add_argument("--heed", default="build/release/heed")
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--train", type=pathlib.Path, required=True)
    parser.add_argument("--test", type=pathlib.Path, required=True)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, transformers {transformers.__version__}", flush=True)
    heed_run.over_seeds(options.seeds, lambda seed, folder: compare(options, seed, folder))


if __name__ == "__main__":
    main()
