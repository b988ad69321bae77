#!/usr/bin/env python3
"""Compares `heed classify`, `ner`, `fill` and `answer` with transformers' pipelines on real texts, with models that the
documentation's pages make.

    python tools/compare_pipelines.py --data ../shared/data [--classify banking] [--ner wnut] [--fill banking-mlm]
                                      [--answer answers] [--heed build/release/heed] [--cases 100] [--seed 0]

Each option names a model's folder; tasks without one are left out. Texts are drawn from banking77's and wnut17's test
sets and tiny Shakespeare; so are the settings: how many answers, every aggregation, masks' places, windows and strides.
Labels, words and places must be the same and scores within 1e-4, in the same order. Question answering is transformers
4.57's pipeline as tools/make_encoder_goldens.py has it. Exit status 1 if anything differs. Needs torch, transformers.
"""

import argparse
import csv
import json
import pathlib
import random
import subprocess
import sys

import torch
import transformers
from make_encoder_goldens import answers_of

QUESTIONS = ["Who came?", "When did it happen?", "How many people were there?", "Which town has the bridge?", "What?"]


def heed(options, command, folder, texts, *more):
    done = subprocess.run([options.heed, command, *texts, "--model", folder, "--json", "--quiet", *map(str, more)],
                          capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def same(found, wanted, keys):
    return len(found) == len(wanted) and all(
        all(a[key] == b[key] for key in keys) and abs(a["score"] - float(b["score"])) <= 1e-4 for a, b in zip(found, wanted))


def classified(options, draw, texts):
    """A text's classes, several or all."""
    pipeline = transformers.pipeline("text-classification", model=options.classify, tokenizer=options.classify)
    for text in draw.sample(texts["banking"], options.cases):
        top = draw.choice([1, 3, 0])
        line = heed(options, "classify", options.classify, [text], "--top-k", top)[0]
        wanted = pipeline(text, top_k=top or None, truncation=True)
        yield same(line.get("labels", [line]), wanted, ["label"]), text


def named(options, draw, texts):
    """A sentence's names, or those of several sentences in windows."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(options.ner)
    model = transformers.AutoModelForTokenClassification.from_pretrained(options.ner)
    tokenizer.model_max_length = model.config.max_position_embeddings
    for _ in range(options.cases):
        how = draw.choice(["none", "simple", "first", "average", "max"])
        pipeline = transformers.TokenClassificationPipeline(model=model, tokenizer=tokenizer, aggregation_strategy=how)
        stride = None if how == "none" else draw.choice([None, 0, 9, 20])
        text = " ".join(draw.sample(texts["wnut"], 1 if stride is None else 6))
        more = [] if stride is None else ["--stride", stride]
        found = heed(options, "ner", options.ner, [text], "--aggregation", how, *more)[0]["entities"]
        wanted = pipeline(text) if stride is None else pipeline(text, stride=stride)
        yield same(found, wanted, ["word", "start", "end", "entity" if how == "none" else "entity_group"]), text


def filled(options, draw, texts):
    """A question with one or two of its words masked."""
    pipeline = transformers.pipeline("fill-mask", model=options.fill, tokenizer=options.fill)
    for text in draw.sample(texts["banking"], options.cases):
        words = text.split()
        for place in draw.sample(range(len(words)), min(len(words), draw.choice([1, 1, 2]))):
            words[place] = pipeline.tokenizer.mask_token
        text, top = " ".join(words), draw.choice([1, 5, 20])
        found = heed(options, "fill", options.fill, [text], "--top-k", top)[0]["fillings"]
        wanted = pipeline(text, top_k=top)
        if not isinstance(found[0], list):
            found, wanted = [found], [wanted]
        yield all(same(a, b, ["token", "token_str", "sequence"]) for a, b in zip(found, wanted)), text


def answered(options, draw, texts):
    """Questions on notes and on runs of a play, in windows of many sizes."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(options.answer)
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(options.answer).eval()
    for _ in range(options.cases):
        begin = draw.randrange(len(texts["play"]) - 2500)
        context = texts["play"][begin:begin + draw.randint(200, 2500)]
        question, top, most = draw.choice(QUESTIONS), draw.choice([1, 3, 5]), draw.choice([8, 15, 30])
        window = draw.choice([48, 96, 200, 384])
        stride, impossible, words = draw.randint(0, window // 3), draw.random() < 0.4, draw.random() < 0.7
        wanted = answers_of(model, tokenizer, question, context, top, stride, most, window, impossible, words)
        more = ["--handle-impossible-answer"] * impossible + ["--exact"] * (not words)
        line = heed(options, "answer", options.answer, [question], "--context", context, "--top-k", top, "--doc-stride", stride,
                    "--max-answer-len", most, "--max-seq-len", window, *more)[0]
        wanted = [answer for answer in wanted if answer["score"] != 0.0]  # spans that cannot be
        yield same(line.get("answers", [line]), wanted, ["answer", "start", "end"]), question + " " + context


def texts_of(data):
    with open(data / "corpora/banking77/test.csv", newline="") as file:
        banking = [row["text"] for row in csv.DictReader(file)]
    sentences = (data / "corpora/wnut17/test.conll").read_text().split("\n\n")
    wnut = [" ".join(line.split("\t")[0] for line in sentence.splitlines() if line.strip()) for sentence in sentences]
    return {"banking": banking, "wnut": [sentence for sentence in wnut if sentence],
            "play": (data / "corpora/tinyshakespeare/input.txt").read_text()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tasks = {"classify": classified, "ner": named, "fill": filled, "answer": answered}
    for task in tasks:
        parser.add_argument(f"--{task}", metavar="FOLDER")
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--heed", default="build/release/heed")
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    texts, differ = texts_of(options.data), 0
    for task, compare in tasks.items():
        if getattr(options, task) is None:
            continue
        results = list(compare(options, random.Random(options.seed), texts))
        wrong = [text for equal, text in results if not equal]
        differ += len(wrong)
        print(f"{task}: {len(results)} cases, {len(wrong)} differ", *wrong[:3], sep="\n  ", flush=True)
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
