#!/usr/bin/env python3
"""Trains a BertForQuestionAnswering with transformers, for docs/answer.md: Heed itself trains none.

    tools/make_notes.py notes
    tools/make_answer_model.py notes/questions.jsonl --model MINILM --out answers [--steps 60] [--seed 0]

MINILM is a folder of all-MiniLM-L6-v2, whose encoder it begins with; needs torch and transformers (`./dev bench encode`
makes an environment that has them, build/peers). The folder --out is what save_pretrained writes.
"""

import argparse
import json
import pathlib
import random

import torch
import transformers


def batch_of(rows, tokenizer):
    """The tokens of questions and contexts, and the first and last token of each answer."""
    inputs = tokenizer([row["question"] for row in rows], [row["context"] for row in rows], padding=True, return_tensors="pt")
    starts = [inputs.char_to_token(i, row["start"], 1) for i, row in enumerate(rows)]
    ends = [inputs.char_to_token(i, row["start"] + len(row["answer"]) - 1, 1) for i, row in enumerate(rows)]
    return inputs, torch.tensor(starts), torch.tensor(ends)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", type=pathlib.Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    draw = random.Random(options.seed)
    rows = [json.loads(line) for line in options.questions.read_text().splitlines()]
    tokenizer = transformers.AutoTokenizer.from_pretrained(options.model)
    model = transformers.BertForQuestionAnswering.from_pretrained(options.model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-4, weight_decay=0.01)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, options.steps // 10, options.steps)
    model.train()
    for step in range(1, options.steps + 1):
        inputs, starts, ends = batch_of(draw.sample(rows, 16), tokenizer)
        loss = model(**inputs, start_positions=starts, end_positions=ends).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if step % 10 == 0:
            print(f"step {step}/{options.steps}  loss {loss.item():.4f}", flush=True)
    model.save_pretrained(options.out)
    tokenizer.save_pretrained(options.out)


if __name__ == "__main__":
    main()
