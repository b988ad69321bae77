#!/usr/bin/env python3
"""Compares `heed summarize` and `heed look` with transformers on texts: parts, prefixes, summaries, cross-attention.

    python tools/compare_summaries.py [--heed build/release/heed] [--data ../shared/data] [--documents 5] [--seed 1]

A random T5 and a random BART get the tokenizers of the shared data (T5's and RoBERTa's) and task_specific_params for
summaries. Documents are runs of English sentences. Of each one, every part that `heed summarize --align` tells of must be as
long as a window allows, its summary that of transformers' generate() for the prefix and the part, its score within
1e-4, and every link of the alignment must stand where its words do; where transformers writes other tokens in f64 than
in f32, rounding chooses, and the part is counted apart. The cross-attention of `heed look --target` must be within
1e-4 of transformers'. Exit status 1 if anything differs. Needs torch, transformers.
"""

import argparse
import copy
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

import torch
import transformers

TARGET = "The \u201cold\u201d caf\u00e9s weren't sold, 3 cars & a house were. \u6570\u636e!"
TASK = {"num_beams": 3, "early_stopping": True, "length_penalty": 2.0, "max_length": 16, "min_length": 4,
        "no_repeat_ngram_size": 3}
SIZES = {"t5": {"vocab_size": 32128, "d_model": 32, "d_kv": 8, "num_heads": 4, "num_layers": 2, "d_ff": 64,
                "decoder_start_token_id": 0},
         "bart": {"vocab_size": 50265, "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 64,
                  "decoder_ffn_dim": 64, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
                  "max_position_embeddings": 160}}
CLASSES = {"t5": ("T5", "t5"), "bart": ("Bart", "roberta-base")}


def build(name, data, folder):
    kind, tokenizer = CLASSES[name]
    config = getattr(transformers, f"{kind}Config")(**SIZES[name])
    config._attn_implementation = "eager"
    model = getattr(transformers, f"{kind}ForConditionalGeneration")(config).eval()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data.normal_(0, 0.25)
    model.save_pretrained(folder)
    file = data / "tokenizers" / tokenizer / "tokenizer.json"
    shutil.copy(file, folder)
    said = json.loads((folder / "config.json").read_text())
    prefix = "summarize: " if name == "t5" else ""
    said |= {"n_positions": 128, "task_specific_params": {"summarization": {"prefix": prefix, **TASK}}}
    (folder / "config.json").write_text(json.dumps(said))
    return model, transformers.PreTrainedTokenizerFast(tokenizer_file=str(file)), prefix


def run(heed, *arguments, text=""):
    done = subprocess.run([heed, *arguments], input=text, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def summary(model, ids):
    with torch.no_grad():
        out = model.generate(torch.tensor([ids]), do_sample=False, use_cache=False, output_scores=True,
                             return_dict_in_generate=True, **TASK)
    return out.sequences[0].tolist(), out.sequences_scores.item()


def check_links(found, where):
    text, output = found["text"], found["output"]
    for link in found["alignment"]:
        for of, side in ((text, "source_"), (output, "")):
            word = link[f"{side}word"]
            assert of[link[f"{side}start"]:link[f"{side}end"]] == word, (where, link)
            assert of.encode()[link[f"{side}byte_start"]:link[f"{side}byte_end"]].decode() == word, (where, link)
    return len(found["alignment"])


def check_summaries(heed, folder, document, parts_of):
    model, tokenizer, prefix = parts_of
    double = copy.deepcopy(model).double()
    found = run(heed, "summarize", "-", "--whole", "--align", "--json", "--model", folder, text=document)
    counts = {"parts": 0, "by rounding": 0, "links": check_links(found, folder), "apart": 0.0}
    window = 128 if prefix else 160
    for part in found.get("parts", []):
        ids = tokenizer(prefix + document[part["start"]:part["end"]]).input_ids
        assert len(ids) <= window, (folder, len(ids))
        tokens, score = summary(model, ids)
        counts["parts"] += 1
        if summary(double, ids)[0] != tokens:
            counts["by rounding"] += 1
            continue
        assert tokenizer.decode(tokens, skip_special_tokens=True) == part["output"], (folder, part, tokens)
        counts["apart"] = max(counts["apart"], abs(score - part["score"]))
    return counts


def check_cross(heed, folder, source, parts_of):
    model, tokenizer, _ = parts_of
    found = run(heed, "look", source, "--target", TARGET, "--json", "--model", folder)
    check_links(found, folder)
    ids, target = tokenizer(source).input_ids, tokenizer(TARGET).input_ids
    assert found["ids"] == target
    before = [model.config.decoder_start_token_id, *target[:-1]]
    with torch.no_grad():
        theirs = model(input_ids=torch.tensor([ids]), decoder_input_ids=torch.tensor([before]),
                       output_attentions=True, use_cache=False).cross_attentions
    return max((torch.tensor(head["weights"]) - theirs[head["layer"]][0, head["head"]]).abs().max().item()
               for head in found["heads"])


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--heed", default=str(root / "build/release/heed"))
    parser.add_argument("--data", type=pathlib.Path, default=root.parent / "shared/data")
    parser.add_argument("--documents", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    sentences = (options.data / "corpora/opennmt-ende/val.en").read_text().splitlines()
    worst = 0.0
    for name in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            made = build(name, options.data, pathlib.Path(folder))
            draw = random.Random(options.seed)
            total = {"parts": 0, "by rounding": 0, "links": 0, "apart": 0.0}
            cross = 0.0
            for _ in range(options.documents):
                first = draw.randrange(len(sentences) - 40)
                lines = sentences[first:first + draw.randint(8, 30)]
                document = "\n\n".join(" ".join(lines[i:i + 5]) for i in range(0, len(lines), 5))
                counts = check_summaries(options.heed, folder, document, made)
                total = {key: (max if key == "apart" else int.__add__)(total[key], counts[key]) for key in total}
                cross = max(cross, check_cross(options.heed, folder, lines[0], made))
            print(f"{name}: {options.documents} documents, {total['parts']} parts ({total['by rounding']} where rounding "
                  f"chooses), scores within {total['apart']:.1e}; {total['links']} links in place; cross-attention "
                  f"within {cross:.1e}")
            worst = max(worst, cross, total["apart"])
    return 1 if worst > 1e-4 else 0


if __name__ == "__main__":
    sys.exit(main())
