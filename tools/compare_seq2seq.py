#!/usr/bin/env python3
"""Compares what `heed generate` writes with encoder-decoders with transformers' generate().

    python tools/compare_seq2seq.py [--heed build/release/heed] [--configurations 200] [--models 5] [--seed 1]

For each family random models of odd shapes, for each of them random generation configurations (beams, penalties, bad
words, n-grams, lengths, forced and suppressed tokens, several texts; three of ten with do_sample, temperatures and
cut-offs), which Heed reads as the checkpoint's generation_config.json, on random sources. Where tokens or beams are
drawn, transformers is given Heed's draws, which are a function of a seed. Tokens must be the same and scores within
1e-4 of those of an absolute value up to 1, 1e-4 of larger ones (a negative length penalty makes hundreds of them); told
are absolute differences, and how far transformers' own f32 is from its f64. Where it writes other tokens in f64 than in
f32, or rounding decides a draw, another configuration is drawn; how often is told. Exit status 1 if anything differs.
Needs torch, transformers, safetensors.
"""

import argparse
import copy
import json
import math
import pathlib
import random
import subprocess
import sys
import tempfile
import warnings

import torch
import transformers
from make_beam_sampling_goldens import drawn
from make_generation_goldens import CHOICES
from make_seq2seq_goldens import build, random_options, write

FAMILIES = ("T5", "MT5", "Bart", "MBart", "Marian", "Pegasus")


def random_fields(kind, draw):
    """A configuration by the names of config.json."""
    vocab = draw.randint(30, 90)
    if kind in ("T5", "MT5"):
        buckets = draw.randint(4, 33)
        return {"vocab_size": vocab, "d_model": draw.randint(8, 40), "d_kv": draw.randint(3, 11),
                "num_heads": draw.randint(1, 5), "num_layers": draw.randint(1, 3),
                "num_decoder_layers": draw.randint(1, 3), "d_ff": draw.randint(9, 60),
                "relative_attention_num_buckets": buckets,
                "relative_attention_max_distance": draw.randint(buckets // 2 + 1, 140),
                "feed_forward_proj": draw.choice(["relu", "gated-gelu", "gated-silu", "gelu"]),
                "decoder_start_token_id": 0, "pad_token_id": 0, "eos_token_id": 1,
                **({"tie_word_embeddings": False} if kind == "T5" and draw.random() < 0.5 else {})}
    heads = draw.randint(1, 4)
    fields = {"vocab_size": vocab, "d_model": heads * 2 * draw.randint(2, 6), "encoder_layers": draw.randint(1, 3),
              "decoder_layers": draw.randint(1, 3), "encoder_attention_heads": heads,
              "decoder_attention_heads": draw.choice([heads, 2]), "encoder_ffn_dim": draw.randint(9, 60),
              "decoder_ffn_dim": draw.randint(9, 60), "max_position_embeddings": draw.randint(40, 70),
              "activation_function": draw.choice(["gelu", "relu", "swish"]), "scale_embedding": draw.random() < 0.5,
              "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2}
    if kind == "Marian":
        fields["decoder_start_token_id"] = 1
        if draw.random() < 0.4:
            fields |= {"share_encoder_decoder_embeddings": False, "decoder_vocab_size": vocab - draw.randint(1, 9)}
    return fields


def run(heed, folder, source, seed):
    file = folder / "source.json"
    file.write_text(json.dumps([source]))
    done = subprocess.run([heed, "generate", "--model", str(folder), "--ids", str(file), "--seed", str(seed), "--json",
                           "--quiet"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"compare_seq2seq: {done.stderr.strip()}")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return [line["ids"] for line in lines], [line["score"] for line in lines]


def written(model, source, options, seed):
    """Texts, scores, and whether no draw was near an edge."""
    if not options.get("do_sample"):
        return *write(model, source, options), True
    texts, scores, draws = drawn(model, source, options, seed, translates=True)
    possible = scores is None or min(scores) > -1e6  # of beams that came to an end where nothing can be drawn
    return texts, scores, draws.sound and possible


def case_of(model, double, draw, skipped):
    """A configuration, a source, a seed, and what transformers writes."""
    vocab = model.get_output_embeddings().weight.shape[0]
    end = model.config.eos_token_id
    while True:
        source = [draw.randrange(3, vocab) for _ in range(draw.randint(1, 25))] + [end]
        options = random_options(draw, vocab, end, draw.choice([1, 1, 2, 3, 4, 6]))
        if draw.random() < 0.3:
            options |= {"do_sample": True, "top_k": 0, **draw.choice(CHOICES)}
        seed = draw.randrange(2**40)
        try:
            ids, scores, sound = written(model, source, options, seed)
            exact_ids, exact, exactly_sound = written(double, source, options, seed)
            if exact_ids == ids and sound and exactly_sound:
                return source, options, seed, ids, scores, exact
        except ValueError:  # transformers refuses such options
            pass
        skipped[0] += 1


def farthest(scores, others):
    return max((abs(a - b) for a, b in zip(scores, others)), default=0.0)


def compare_model(kind, options, number, count, totals):
    draw = random.Random(f"{options.seed} {kind} {number}")
    torch.manual_seed(options.seed * 1000 + number)
    model = build(kind, random_fields(kind, draw))
    double = copy.deepcopy(model).double()
    skipped = [0]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        model.save_pretrained(folder)
        special = {key: getattr(model.generation_config, key) for key in
                   ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")}
        for _ in range(count):
            source, chosen, seed, ids, scores, exact = case_of(model, double, draw, skipped)
            (folder / "generation_config.json").write_text(json.dumps({**special, **chosen}))
            found, found_scores = run(options.heed, folder, source, seed)
            totals["configurations"] += 1
            totals["drawn"] += chosen.get("do_sample", False)
            totals["texts"] += len(ids)
            if found != ids:
                totals["differ"] += 1
                print(f"{kind} {number}: {chosen} of {source}, seed {seed}: transformers {ids} {scores} (f64 {exact}), "
                      f"Heed {found} {found_scores}", file=sys.stderr)
            elif scores is not None:
                apart, own = farthest(found_scores, scores), farthest(scores, exact)
                totals["farthest"], totals["own"] = max(totals["farthest"], apart), max(totals["own"], own)
                totals["above 1e-4"] += sum(abs(a - b) > 1e-4 for a, b in zip(found_scores, scores))
                totals["too far"] += sum(abs(a - b) > 1e-4 * max(1, abs(b)) for a, b in zip(found_scores, scores))
    totals["drawn again"] += skipped[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heed", default="build/release/heed")
    parser.add_argument("--configurations", type=int, default=200, help="of each family")
    parser.add_argument("--models", type=int, default=5, help="of each family")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--families", nargs="*", default=FAMILIES)
    options = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    warnings.filterwarnings("ignore", message="Unfeasible length constraints")
    print("| family | configurations | of these drawn | texts | other tokens | scores too far | above 1e-4 | "
          "largest difference | of transformers' f32 from f64 | drawn again |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    good = True
    for kind in options.families:
        totals = {"configurations": 0, "drawn": 0, "texts": 0, "differ": 0, "too far": 0, "above 1e-4": 0,
                  "farthest": 0.0, "own": 0.0, "drawn again": 0}
        for number in range(options.models):
            compare_model(kind, options, number, math.ceil(options.configurations / options.models), totals)
        good = good and totals["differ"] == 0 and totals["too far"] == 0
        print(f"| {kind} | {totals['configurations']} | {totals['drawn']} | {totals['texts']} | {totals['differ']} | "
              f"{totals['too far']} | {totals['above 1e-4']} | {totals['farthest']:.1e} | {totals['own']:.1e} | "
              f"{totals['drawn again']} |", flush=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
