#!/usr/bin/env python3
"""Writes tests/golden/finetune.json: the losses of PyTorch and transformers when small encoders learn a task.

    python tools/make_finetune_goldens.py

Needs torch, transformers, tokenizers, safetensors, and what tools/make_encoder_goldens.py wrote: each case begins
from the weights of one of its folders, without dropout, and makes STEPS updates by AdamW at a constant rate, all rows
in one batch. Kept are the rows as `heed train` reads them, the losses in f64, and how far f32 is from them at most.
"""

import csv
import io
import json

import tokenizers
import torch
import transformers
from make_encoder_goldens import CLASSES, FAMILIES, GOLDEN, VERSIONS
from safetensors.torch import load_file
from torch.nn import functional as F

import heed_run

STEPS, RATE, BLOCK, SEED, PART, IGNORED = 5, 1e-3, 12, 7, 0.3, -100
FOR_MASKING = 3  # DrawFor::masking
FOLDERS = {"classify": "classify", "ner": "tag", "mlm": "fill"}
LABELS = {"classify": [f"kind {i}" for i in range(4)],
          "ner": ["O", "B-person", "B-place", "B-thing", "I-person", "I-place"]}
TEXTS = ["bad cab, a fig", "jade", "dice fig - hij. bad?", "a b c d e", "chad, jaded cab fig", "bad bed"]
MEMBERS = [(family, family) for family in FAMILIES] + [("roberta", "xlm-roberta"), ("roberta", "camembert")]


def words_of(text):
    return text.replace(",", " ,").replace("?", " ?").split()


def data_of(task, paired=False):
    """The file that heed reads, and its rows: texts with a label, or words with their tags."""
    if task == "classify":
        rows = [(text, *[TEXTS[i - 1]] * paired, LABELS[task][i % 4]) for i, text in enumerate(TEXTS)]
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([("text", *["second"] * paired, "label"), *rows])
        return out.getvalue(), rows
    if task == "ner":
        tags = LABELS[task]
        rows = [[(word, tags[(3 * i + j) % len(tags)]) for j, word in enumerate(words_of(text))]
                for i, text in enumerate(TEXTS)]
        return "\n".join("".join(f"{word}\t{tag}\n" for word, tag in row) for row in rows), rows
    return " ".join(TEXTS), None


def tagged(row, tokenizer, ids):
    text, starts = "", []
    for word, _ in row:
        text += (" " if text else "") + word
        starts.append(len(text) - len(word))
    encoding, seen = tokenizer.encode(text), set()
    targets = [IGNORED] * len(encoding.ids)
    for i, (start, end) in enumerate(encoding.offsets):
        if encoding.special_tokens_mask[i] or start == end:
            continue
        word = max(w for w, begin in enumerate(starts) if begin < end)
        if word not in seen:
            seen.add(word)
            targets[i] = ids[row[word][1]]
    return encoding.ids, targets


def masked(rows, frame, mask, vocab, epoch):
    """data_masking.cc's draws."""
    of_epoch = heed_run.derived_seed(heed_run.derived_seed(SEED, FOR_MASKING), epoch)
    before, after = frame
    for row, ids in enumerate(rows):
        of_row = heed_run.derived_seed(of_epoch, row)
        targets, ids = [IGNORED] * len(ids), list(ids)
        for i in range(before, len(ids) - after):
            one, two, three = (heed_run.derived_seed(of_row, 4 * i + n) for n in range(3))
            if (one >> 11) * 2.0**-53 >= PART:
                continue
            kind, targets[i] = (two >> 11) * 2.0**-53, ids[i]
            ids[i] = mask if kind < 0.8 else three % vocab if kind < 0.9 else ids[i]
        yield ids, targets


def batches_of(task, rows, tokenizer, vocab):
    """Of each update: ids and targets of all rows."""
    tokenizer.no_truncation()
    if task != "mlm":
        tokenizer.enable_truncation(BLOCK)
        ids = {name: i for i, name in enumerate(LABELS[task])}
        if task == "ner":
            return [[tagged(row, tokenizer, ids) for row in rows]] * STEPS
        encodings = [(tokenizer.encode(*row[:-1]), ids[row[-1]]) for row in rows]
        return [[(encoding.ids, target, encoding.type_ids) for encoding, target in encodings]] * STEPS
    encoding = tokenizer.encode("a")
    marks = encoding.special_tokens_mask
    before = marks.index(0)
    frame = (before, len(marks) - marks.index(1, before))
    begin, end = encoding.ids[:before], encoding.ids[-frame[1]:]
    ids = tokenizer.encode(data_of(task)[0], add_special_tokens=False).ids
    inside = BLOCK - sum(frame)
    rows = [begin + ids[i:i + inside] + end for i in range(0, len(ids), inside)]
    mask = next(tokenizer.token_to_id(name) for name in ("[MASK]", "<mask>") if tokenizer.token_to_id(name))
    most = min(vocab, tokenizer.get_vocab_size())
    return [list(masked(rows, frame, mask, most, epoch)) for epoch in range(STEPS)]


def losses_of(model, batches, pad, dtype):
    model = model.to(dtype).train()
    optimizer = heed_run.adamw(model, 0.01)
    for rows in batches:
        longest = max(len(row[0]) for row in rows)

        def padded(lists, value):
            return torch.tensor([one + [value] * (longest - len(one)) for one in lists])

        inputs = {"input_ids": padded([row[0] for row in rows], pad),
                  "attention_mask": padded([[1] * len(row[0]) for row in rows], 0)}
        if len(rows[0]) == 3 and model.config.model_type != "distilbert":
            inputs["token_type_ids"] = padded([row[2] for row in rows], 0)
        targets = [row[1] for row in rows]
        targets = padded(targets, IGNORED) if isinstance(targets[0], list) else torch.tensor(targets)
        logits = model(**inputs).logits
        loss = F.cross_entropy(logits.flatten(0, -2), targets.flatten())
        yield loss.item()
        heed_run.update(model, optimizer, loss, RATE)


def case_of(family, model_type, task, paired=False):
    folder = f"encoder_{family}_{FOLDERS[task]}"
    config = json.loads((GOLDEN / folder / "config.json").read_text())
    changes = {"model_type": model_type}
    if task in LABELS:
        changes |= {"id2label": {str(i): n for i, n in enumerate(LABELS[task])},
                    "label2id": {n: i for i, n in enumerate(LABELS[task])}}
    no_dropout = {name: 0.0 for name in config if "dropout" in name} | {
        name: 0.0 for name in ("hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout",
                               "seq_classif_dropout", "classifier_dropout", "classifier_dropout_prob")}
    made = FAMILIES[family][1](**(config | changes | no_dropout), attn_implementation="eager")
    cls = getattr(transformers, FAMILIES[family][0] + CLASSES[FOLDERS[task]])
    tokens = "roberta" if family == "roberta" else "bert"
    tokenizer_folder = f"encoder_{tokens}_{FOLDERS[task]}"
    tokenizer = tokenizers.Tokenizer.from_file(str(GOLDEN / tokenizer_folder / "tokenizer.json"))
    data, rows = data_of(task, paired)
    batches = batches_of(task, rows, tokenizer, made.vocab_size)
    runs = []
    for dtype in (torch.float64, torch.float32):
        model = cls(made)
        found = model.load_state_dict({n: t.float() for n, t in load_file(GOLDEN / folder / "model.safetensors").items()},
                                      strict=False)
        assert not found.unexpected_keys, found
        model.tie_weights()
        runs.append(list(losses_of(model, batches, made.pad_token_id or 0, dtype)))
    name = {"xlm-roberta": "XLMRoberta", "camembert": "Camembert"}.get(model_type, FAMILIES[family][0])
    return {"task": task, "folder": folder, "tokenizer": tokenizer_folder, "changes": changes, "data": data,
            "class": name + CLASSES[FOLDERS[task]], "pair_column": "second" if paired else "", "losses": runs[0],
            "error": max(abs(a - b) for a, b in zip(*runs))}


def main():
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    cases = [case_of(family, model_type, task) for family, model_type in MEMBERS for task in FOLDERS]
    cases += [case_of(family, family, "classify", paired=True) for family in ("bert", "roberta")]
    settings = {"steps": STEPS, "learning_rate": RATE, "block": BLOCK, "seed": SEED, "mask_part": PART}
    text = json.dumps({"versions": VERSIONS, "settings": settings, "cases": cases}, indent=1)
    (GOLDEN / "finetune.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
