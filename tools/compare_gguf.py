#!/usr/bin/env python3
"""Compares Heed with transformers on one GGUF file: logits of prompts, and greedy text.

Usage: tools/compare_gguf.py MODEL.gguf [--heed build/release/heed] [--tokens 64]

Needs torch, transformers and the Python package gguf, with which transformers itself reads the file
(weights de-quantised to f32). Prints the largest difference of logits a prompt and whether the greedy
tokens are the same; exit status 1 if a difference is above 1e-3 or a token differs.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy
import torch
import transformers

PROMPTS = [
    "The capital of France is",
    "def fibonacci(n):\n    ",
    "Gravity is a force that",
    "<|im_start|>user\nWhy is the sky blue?<|im_end|>\n<|im_start|>assistant\n",
    "1, 1, 2, 3, 5, 8, 13,",
]


def run(heed, *arguments):
    done = subprocess.run([heed, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"compare_gguf: {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--heed", default="build/release/heed")
    parser.add_argument("--tokens", type=int, default=64)
    arguments = parser.parse_args()
    folder, name = arguments.file.parent, arguments.file.name
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, gguf_file=name)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, gguf_file=name,
                                                              dtype=torch.float32).eval()
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        for prompt in PROMPTS:
            ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
            rows = pathlib.Path(scratch) / "ids.json"
            rows.write_text(json.dumps([ids]))
            run(arguments.heed, "forward", "--ids", str(rows), "--model", str(arguments.file),
                "--want", "logits", "--save", f"{scratch}/out.npz")
            ours = numpy.load(f"{scratch}/out.npz")["logits"][0]
            with torch.no_grad():
                input_ids = torch.tensor([ids])
                theirs = model(input_ids).logits[0].numpy()
                text = model.generate(input_ids, attention_mask=torch.ones_like(input_ids),
                                      max_new_tokens=arguments.tokens, do_sample=False)
            expected = text[0, len(ids):].tolist()
            line = run(arguments.heed, "generate", "--ids", str(rows), "--model",
                       str(arguments.file), "--max-new-tokens", str(arguments.tokens),
                       "--temperature", "0", "--json", "--quiet")
            written = json.loads(line)["ids"]
            apart = float(numpy.abs(ours - theirs).max())
            same = written == expected
            failed |= apart > 1e-3 or not same
            print(f"{prompt[:30]!r}: logits within {apart:.2e}, greedy tokens "
                  f"{'the same' if same else f'differ: {written} and {expected}'}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
