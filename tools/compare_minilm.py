"""Compares every number that all-MiniLM-L6-v2 gives through `heed forward` and `heed embed` with transformers and
sentence-transformers, and prints the record kept in docs/records/minilm-equality.md.

    python tools/compare_minilm.py FOLDER [--heed build/release/heed] > docs/records/minilm-equality.md

FOLDER is the model's. Needs torch, transformers, sentence-transformers, safetensors. Exit status 1 if a number is
further away than the tolerance.
"""

import argparse
import datetime
import hashlib
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import numpy
import torch

import make_goldens

STATE, WEIGHT, VECTOR = 5e-5, 1e-5, 1e-5


class Heed:
    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.temporary = pathlib.Path(tempfile.mkdtemp())
        self.commands = 0

    def run(self, *arguments):
        self.commands += 1
        subprocess.run([self.program, *arguments, "--model", self.folder, "--quiet"], check=True, stdout=subprocess.DEVNULL)

    def forward(self, rows, *options):
        ids, out = self.temporary / "ids.json", self.temporary / "out.npz"
        ids.write_text(json.dumps(rows))
        self.run("forward", "--ids", str(ids), "--want", "last_hidden_state,hidden_states,attentions", "--save", str(out),
                 *options)
        with numpy.load(out) as arrays:
            return {name: arrays[name] for name in arrays.files}

    def embed(self, texts):
        lines, out = self.temporary / "texts.jsonl", self.temporary / "out.npy"
        lines.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
        self.run("embed", "--file", str(lines), "--save", str(out))
        return numpy.load(out)


class Largest:
    """Counts compared numbers and keeps the largest difference of each kind."""

    def __init__(self):
        self.kinds = {}

    def add(self, kind, actual, expected):
        assert actual.shape == expected.shape, (kind, actual.shape, expected.shape)
        count, worst = self.kinds.get(kind, (0, 0.0))
        apart = float(numpy.abs(actual.astype(numpy.float64) - expected).max())
        self.kinds[kind] = (count + actual.size, max(worst, apart if apart == apart else numpy.inf))

    def worst(self, kind):
        return self.kinds[kind][1]


def reference(model, ids):
    with torch.no_grad():
        out = model(input_ids=torch.tensor([ids]), output_hidden_states=True, output_attentions=True)
    return torch.cat(out.hidden_states).numpy(), torch.cat(out.attentions).numpy()


def batches(count, seed):
    """Rows in groups of four, in the given order, reversed and shuffled."""
    order = list(range(count))
    shuffled = random.Random(seed).sample(order, count)
    for name, rows in (("given order", order), ("reversed", order[::-1]), ("shuffled", shuffled)):
        for begin in range(0, count, 4):
            yield name, rows[begin : begin + 4]


def compare(heed, folder, found):
    tokenizer, model = make_goldens.load_minilm(folder)
    _, exact = make_goldens.load_minilm(folder)
    exact = exact.double()
    texts = make_goldens.minilm_texts(tokenizer)
    alone, same_bits = [], True
    for _, ids in texts:
        arrays = heed.forward([ids])
        alone.append(arrays)
        states, weights = reference(model, ids)
        found.add("hidden states, alone, f32", arrays["hidden_states"][:, 0], states)
        found.add("last hidden state, alone, f32", arrays["last_hidden_state"][0], states[-1])
        found.add("attentions, alone, f32", arrays["attentions"][:, 0], weights)
        exact_states, exact_weights = reference(exact, ids)
        found.add("last hidden state, alone, f64", arrays["last_hidden_state"][0], exact_states[-1])
        found.add("attentions, alone, f64", arrays["attentions"][:, 0], exact_weights)
        found.add("transformers' own f32 from f64, last hidden state", states[-1], exact_states[-1])
    for name, rows in batches(len(texts), make_goldens.SEED):
        for side in ("right", "left"):
            arrays = heed.forward([texts[r][1] for r in rows], "--pad-side", side)
            for at, row in enumerate(rows):
                real = arrays["attention_mask"][at].astype(bool)
                state = arrays["hidden_states"][:, at, real]
                weights = arrays["attentions"][:, at][:, :, real]
                same_bits &= bool(numpy.array_equal(state, alone[row]["hidden_states"][:, 0]))
                same_bits &= bool(numpy.array_equal(weights[..., real], alone[row]["attentions"][:, 0]))
                same_bits &= not weights[..., ~real].any()
                found.add(f"padded batches ({name}, padding {side}) from alone", state, alone[row]["hidden_states"][:, 0])
    from sentence_transformers import SentenceTransformer

    sentences = [text for text, _ in texts if text is not None]
    expected = SentenceTransformer(str(folder), device="cpu").encode(sentences)
    found.add("sentence vectors", heed.embed(sentences), expected)
    shuffled = random.Random(make_goldens.SEED).sample(range(len(sentences)), len(sentences))
    found.add("sentence vectors, shuffled", heed.embed([sentences[i] for i in shuffled]), expected[shuffled])
    return same_bits, [len(ids) for _, ids in texts]


def machine():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            flags = set(line.split())
            sets = [name for name in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile") if name in flags]
            return ", ".join(sets)
    return "unknown"


def report(found, same_bits, lengths, options, heed):
    def sha256(path):
        return hashlib.sha256(path.read_bytes()).hexdigest()

    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    print("# all-MiniLM-L6-v2 equals transformers\n")
    print(f"Written by `python tools/compare_minilm.py FOLDER` on {datetime.date.today()}; {heed.commands} commands.\n")
    print("| what | |\n|---|---|")
    facts = {
        "commit": commit, "seed": make_goldens.SEED, **{k: v for k, v in make_goldens.VERSIONS.items() if k != "seed"},
        "machine's instruction sets": machine(), "texts": f"{len(lengths)} of {lengths} tokens",
        "model.safetensors sha256": sha256(options.folder / "model.safetensors"),
        "tokenizer.json sha256": sha256(options.folder / "tokenizer.json"),
    }
    for name, value in facts.items():
        print(f"| {name} | {value} |")
    print("\n| compared | numbers | largest difference |\n|---|---|---|")
    for kind, (count, worst) in found.kinds.items():
        print(f"| {kind} | {count:,} | {worst:.2e} |")
    print(f"\nAllowed: last hidden state {STATE:.0e}, attentions {WEIGHT:.0e}, sentence vectors {VECTOR:.0e}.")
    print("Padded batches, in any order and with the padding on either side, give the bits of the text alone: "
          f"{'yes' if same_bits else 'NO'}.")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--heed", default="build/release/heed")
    options = parser.parse_args()
    torch.set_num_threads(1)
    heed, found = Heed(options.heed, str(options.folder)), Largest()
    same_bits, lengths = compare(heed, options.folder, found)
    report(found, same_bits, lengths, options, heed)
    within = (
        found.worst("last hidden state, alone, f32") <= STATE
        and found.worst("attentions, alone, f32") <= WEIGHT
        and found.worst("sentence vectors") <= VECTOR
        and found.worst("sentence vectors, shuffled") <= VECTOR
    )
    return 0 if within and same_bits else 1


if __name__ == "__main__":
    sys.exit(main())
