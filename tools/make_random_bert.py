#!/usr/bin/env python3
"""Makes a small BERT with random weights and room for long texts, to look at one without a large
model: make_random_bert.py FOLDER [--positions 16384] [--layers 2] [--heads 2] [--width 64] [--seed 0].

Needs Python alone. Equal options give equal files. The vocabulary holds the letters, digits and
punctuation marks of English and short pieces, so that every lower-case text can be read. Attention's
query and key weights are larger than a trained model's start, so that heads do not look at all tokens
alike. The weights mean nothing.
"""
import argparse
import array
import json
import pathlib
import random
import string
import struct
import sys

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def vocabulary():
    letters = list(string.digits + string.ascii_lowercase)
    syllables = [c + v for c in "bcdfghjklmnpqrstvwxz" for v in "aeiouy"]
    words = syllables + [s + c for s in syllables for c in "lmnrst"]
    return (SPECIAL + list(string.punctuation) + letters + ["##" + c for c in letters] + words +
            ["##" + w for w in words])


def shapes(config):
    width, inner = config["hidden_size"], config["intermediate_size"]
    for name, rows in (("word", config["vocab_size"]), ("position", config["max_position_embeddings"]),
                       ("token_type", config["type_vocab_size"])):
        yield f"embeddings.{name}_embeddings.weight", [rows, width], 1.0
    norms = ["embeddings"]
    for layer in range(config["num_hidden_layers"]):
        block = f"encoder.layer.{layer}"
        for part, out, into, size in (("attention.self.query", width, width, 3.0),
                                      ("attention.self.key", width, width, 1.0),
                                      ("attention.self.value", width, width, 1.0),
                                      ("attention.output.dense", width, width, 1.0),
                                      ("intermediate.dense", inner, width, 1.0),
                                      ("output.dense", width, inner, 1.0)):
            yield f"{block}.{part}.weight", [out, into], size / into ** 0.5
            yield f"{block}.{part}.bias", [out], 0.0
        norms += [f"{block}.attention.output", f"{block}.output"]
    for norm in norms:
        yield f"{norm}.LayerNorm.weight", [width], None
        yield f"{norm}.LayerNorm.bias", [width], 0.0


def save(path, config, seed):
    draw = random.Random(seed)
    header, data = {}, array.array("f")
    for name, shape, deviation in shapes(config):
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        begin = 4 * len(data)
        data.extend(1.0 if deviation is None else draw.gauss(0, 1) * deviation for _ in range(count))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, 4 * len(data)]}
    if sys.byteorder == "big":
        data.byteswap()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data.tobytes())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    for name, value in (("positions", 16384), ("layers", 2), ("heads", 2), ("width", 64), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    words = vocabulary()
    config = {"model_type": "bert", "architectures": ["BertModel"], "vocab_size": len(words),
              "hidden_size": options.width, "num_hidden_layers": options.layers,
              "num_attention_heads": options.heads, "intermediate_size": 2 * options.width,
              "max_position_embeddings": options.positions, "type_vocab_size": 2,
              "hidden_act": "gelu", "layer_norm_eps": 1e-12}
    options.folder.mkdir(parents=True, exist_ok=True)
    (options.folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    (options.folder / "vocab.txt").write_text("\n".join(words) + "\n")
    (options.folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True}) + "\n")
    save(options.folder / "model.safetensors", config, options.seed)


if __name__ == "__main__":
    main()
