#!/usr/bin/env python3
"""Writes tests/golden/gguf: what the Python package gguf makes of blocks of every kind.

types.gguf has a tensor [3, 256] of each kind: `input` as F32, its rounding or quantisation to the
kinds that the package writes, and random blocks of the K kinds, whose scales are ordinary numbers.
types.safetensors has the package's de-quantised f32 of each, under the same names.

With a model, smollm2.json has the ids of texts and the greedy continuations of transformers on that
file (needs transformers, torch and accelerate):

    tools/make_gguf_goldens.py [SmolLM2-135M-Instruct.Q4_1.gguf]
"""
import importlib.metadata
import json
import pathlib
import sys

import gguf
import numpy
import safetensors.numpy

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "gguf"
SEED = 6
ROWS, COLUMNS = 3, 256
Kind = gguf.GGMLQuantizationType
WRITTEN = [Kind.F16, Kind.BF16, Kind.Q4_0, Kind.Q4_1, Kind.Q5_0, Kind.Q5_1, Kind.Q8_0]
# bytes of a block and where its f16 scales stand
RANDOM = {Kind.Q4_K: (144, [0, 2]), Kind.Q5_K: (176, [0, 2]), Kind.Q6_K: (210, [208])}

PROMPTS = [
    "The capital of France is",
    "def fibonacci(n):\n    ",
    "Gravity is a force that",
    "<|im_start|>user\nWhy is the sky blue?<|im_end|>\n<|im_start|>assistant\n",
    "1, 1, 2, 3, 5, 8, 13,",
]
TEXTS = PROMPTS + ["", " ", "  two  spaces ", "1234567 and 3.14", "naïve café — “quotes”", "日本語 🙂👩‍👩‍👧",
                   "it's we'll I'D", "\n\n\t x\r\n", "a" * 40]


def random_blocks(random, block_bytes, scales):
    blocks = random.integers(0, 256, (ROWS, block_bytes), dtype=numpy.uint8)
    for at in scales:
        scale = random.normal(0, 0.01, ROWS).astype(numpy.float16)
        blocks[:, at:at + 2] = scale.view(numpy.uint8).reshape(ROWS, 2)
    return blocks


def write_types():
    random = numpy.random.default_rng(SEED)
    values = random.normal(0, 1, (ROWS, COLUMNS)).astype(numpy.float32)
    values[0, :32] = 0  # a block without any scale
    values[1, 5] = 40  # and one that a single number rules
    stored = {"input": (Kind.F32, values)}
    for kind in WRITTEN:
        stored[kind.name.lower()] = (kind, gguf.quants.quantize(values, kind))
    for kind, (block_bytes, scales) in RANDOM.items():
        stored[kind.name.lower()] = (kind, random_blocks(random, block_bytes, scales))
    writer = gguf.GGUFWriter(FOLDER / "types.gguf", "types")
    numbers = {}
    for name, (kind, data) in stored.items():
        writer.add_tensor(name, data, raw_dtype=kind)
        numbers[name] = gguf.quants.dequantize(data, kind).astype(numpy.float32)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    safetensors.numpy.save_file(numbers, FOLDER / "types.safetensors")


def write_model(path):
    import torch
    import transformers
    from tokenizers import pre_tokenizers
    tokenizer = transformers.AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    # transformers passes over tokenizer.ggml.pre: these are SmolLM's words, digits one by one
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    model = transformers.AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name,
                                                              dtype=torch.float32).eval()
    written = []
    for prompt in PROMPTS:
        ids = torch.tensor([tokenizer(prompt, add_special_tokens=False)["input_ids"]])
        with torch.no_grad():
            all_ids = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=64,
                                     do_sample=False)
        written.append({"prompt": prompt, "prompt_ids": ids[0].tolist(),
                        "ids": all_ids[0, ids.shape[1]:].tolist()})
    texts = [{"text": text, "ids": tokenizer(text, add_special_tokens=False)["input_ids"]}
             for text in TEXTS]
    (FOLDER / "smollm2.json").write_text(json.dumps({
        "file": path.name, "transformers": transformers.__version__, "torch": torch.__version__,
        "texts": texts, "greedy": written}, indent=1) + "\n")


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    write_types()
    (FOLDER / "versions.json").write_text(json.dumps({
        "gguf": importlib.metadata.version("gguf"), "numpy": numpy.__version__,
        "seed": SEED}, indent=1) + "\n")
    if len(sys.argv) > 1:
        write_model(pathlib.Path(sys.argv[1]))


if __name__ == "__main__":
    main()
