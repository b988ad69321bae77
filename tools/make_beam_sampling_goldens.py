"""Writes what transformers writes with beams that are drawn (num_beams with do_sample), for the tests of generate.

    python tools/make_beam_sampling_goldens.py

Needs torch, transformers, tokenizers; reads the folders that make_model_goldens.py and make_seq2seq_goldens.py wrote.
Writes tests/golden/drawn_beams.json: the best texts of generate() with random options, with Heed's draws (a function of
seed, step, beam and token) in place of torch.multinomial. Cases in which rounding may decide are left out. Everything is
drawn from SEED on one thread; versions are recorded.
"""

import copy
import json
import math
import random

import torch
import transformers
from make_generation_goldens import CHOICES, philox
from make_generation_goldens import Draws as TextDraws
from make_goldens import GOLDEN, SEED, VERSIONS
from make_seq2seq_goldens import CLASSES, MODELS, write

TRANSLATORS = ("t5_relu", "t5_gated", "bart", "marian", "pegasus")
DECODERS = ("gpt2_2x5", "gpt2_3x8", "gpt2_1x16")
CASES = 14  # a model


def gumbel_draw(seed, step, beam, token):
    words = philox(seed, [token, beam, step, 5])
    uniform = (((words[0] << 32 | words[1]) >> 12) + 0.5) * 2.0**-52
    return -math.log(-math.log(uniform))


class Draws:
    """In place of torch.multinomial: the first of one search's candidates by ln p + Gumbel noise, then what cannot come,
    as transformers needs so many."""

    def __init__(self, seed, beams):
        self.seed, self.beams, self.step, self.sound, self.short = seed, beams, 0, True, 0

    def __call__(self, probabilities, num_samples):
        row = probabilities[0].tolist()
        vocab = len(row) // self.beams
        keys = {i: math.log(p) + gumbel_draw(self.seed, self.step, i // vocab, i % vocab)
                for i, p in enumerate(row) if p > 0}
        order = sorted(keys, key=lambda i: -keys[i])
        gaps = [keys[a] - keys[b] for a, b in zip(order[:num_samples], order[1:])]
        # what cannot come counts in no text while every beam has something that can
        self.sound = self.sound and min(gaps, default=1) > 1e-4 and len(order) >= self.beams
        self.short += len(order) < num_samples
        self.step += 1
        order += [i for i, p in enumerate(row) if p == 0]
        return torch.tensor([order[:num_samples]])


def random_options(draw, end, translates):
    rules = [{}, {"repetition_penalty": 1.4}, {"no_repeat_ngram_size": 2}, {"min_new_tokens": 4},
             {"bad_words_ids": [[3], [5, 6], [1, 2]]}, {"forced_eos_token_id": end},
             {"sequence_bias": [[[end], 1.5]]}, {"sequence_bias": [[[end], 2.5]]}, {"renormalize_logits": True}]
    if translates:
        rules += [{"encoder_no_repeat_ngram_size": 2}, {"encoder_repetition_penalty": 1.5}, {"forced_bos_token_id": 9}]
    beams = draw.choice([2, 2, 3, 4])
    return {"do_sample": True, "top_k": 0, **draw.choice(CHOICES), **draw.choice(rules), **draw.choice(rules),
            "num_beams": beams, "num_return_sequences": draw.randint(1, 2), "max_new_tokens": draw.randint(4, 14),
            "length_penalty": draw.choice([0.0, 1.0, 2.0]), "early_stopping": draw.choice([True, False, "never"])}


def write_on(model, prompt, options):
    """As make_seq2seq_goldens' write(), of a decoder that ends with token 22."""
    with torch.no_grad():
        out = model.generate(torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
                             eos_token_id=22, pad_token_id=0, return_dict_in_generate=True, output_scores=True, **options)
    texts = [row[:row.index(22) + 1] if 22 in row else row for row in out.sequences[:, len(prompt):].tolist()]
    return texts, out.sequences_scores.tolist()


def drawn(model, source, options, seed, translates):
    """Texts and scores, and the draws that made them: beams, or the tokens of one text."""
    draws = Draws(seed, options["num_beams"]) if options["num_beams"] > 1 else TextDraws(seed)
    multinomial, torch.multinomial = torch.multinomial, draws
    try:
        texts, scores = (write if translates else write_on)(model, source, options)
    finally:
        torch.multinomial = multinomial
    return texts, scores, draws


def cases_of(model, name, seed, translates):
    draw, double, cases = random.Random(seed), copy.deepcopy(model).double(), []
    end = model.config.eos_token_id if translates else 22
    while len(cases) < CASES:
        source = [draw.randrange(3, 22) for _ in range(draw.randint(2, 6))] + [end] * translates
        options, key = random_options(draw, end, translates), draw.randrange(2**40)
        texts, scores, draws = drawn(double, source, options, key, translates)
        if not draws.sound or min(scores) < -1e6 or drawn(model, source, options, key, translates)[0] != texts:
            continue
        cases.append({"model": name, "source": source, "seed": key, "options": options, "ids": texts, "scores": scores})
        yield cases[-1], draws.short


def main():
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    every, short = [], 0
    for number, name in enumerate(TRANSLATORS + DECODERS):
        translates = name in TRANSLATORS
        kind = CLASSES[MODELS[name][0]] if translates else "GPT2LMHeadModel"
        model = getattr(transformers, kind).from_pretrained(
            GOLDEN / name, dtype=torch.float32, attn_implementation="eager").eval()
        for case, steps in cases_of(model, name, SEED + number, translates):
            every.append(case)
            short += steps
    (GOLDEN / "drawn_beams.json").write_text(json.dumps({"versions": VERSIONS, "cases": every}) + "\n")
    print(len(every), "cases,", sum(len(c["ids"]) for c in every), "texts,",
          sum(len(t) < c["options"]["max_new_tokens"] for c in every for t in c["ids"]), "ended,", short,
          "steps with fewer candidates than are drawn")


if __name__ == "__main__":
    main()
