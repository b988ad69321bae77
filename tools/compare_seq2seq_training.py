#!/usr/bin/env python3
"""The loss of `heed train seq2seq` beside PyTorch's and transformers', update by update.

    python tools/compare_seq2seq_training.py --data scitldr/train.jsonl [--heed build/release/heed] [--steps 100]

A random T5 (1.1's form) and random BARTs of every kind with a byte-level BPE of the data learn to summarise, without
dropout: both sides from the same weights, on the same batches, with AdamW and a linear schedule. PyTorch runs once in f32 and once in
f64. Prints losses now and then and how far each f32 run is from f64 at most; the exit status is 1 if Heed is more than
twice as far as PyTorch's own f32. Needs torch, transformers, tokenizers, safetensors.
"""

import argparse
import json
import pathlib
import sys
import tempfile

import tokenizers
import torch
import transformers
from torch.nn import functional as F

import heed_run
from heed_run import IGNORED, padded

VOCAB, BATCH, BLOCK, WARMUP, RATE, PREFIX = 2000, 8, 96, 20, 1e-3, "summarize: "
LIKE_BART = dict(
    vocab_size=VOCAB, d_model=64, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
    decoder_attention_heads=4, encoder_ffn_dim=128, decoder_ffn_dim=128, max_position_embeddings=BLOCK, dropout=0.0,
    attention_dropout=0.0, activation_dropout=0.0, init_std=0.05, pad_token_id=0, bos_token_id=2, eos_token_id=1,
    forced_eos_token_id=1)
MODELS = {
    "T5": (transformers.T5ForConditionalGeneration, transformers.T5Config(
        vocab_size=VOCAB, d_model=64, d_kv=16, num_heads=4, num_layers=2, d_ff=128, feed_forward_proj="gated-gelu",
        dropout_rate=0.0, decoder_start_token_id=0, pad_token_id=0, eos_token_id=1)),
    "BART": (transformers.BartForConditionalGeneration,
             transformers.BartConfig(**LIKE_BART, decoder_start_token_id=1)),
    "mBART": (transformers.MBartForConditionalGeneration, transformers.MBartConfig(**LIKE_BART, scale_embedding=True)),
    "Marian": (transformers.MarianMTModel,
               transformers.MarianConfig(**LIKE_BART, scale_embedding=True, decoder_start_token_id=0)),
    "PEGASUS": (transformers.PegasusForConditionalGeneration,
                transformers.PegasusConfig(**LIKE_BART, scale_embedding=True, decoder_start_token_id=0)),
}


def joined(texts, all_of_them):
    texts = texts if isinstance(texts, list) else [texts]
    return " ".join(texts) if all_of_them else texts[0]


def read_pairs(path):
    rows = [json.loads(line) for line in path.read_text().split("\n") if line.strip()]
    return [(joined(row["source"], True), joined(row["target"], False)) for row in rows]


def write_tokenizer(folder, pairs):
    """The end follows every text, by its template."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=VOCAB, special_tokens=["<pad>", "</s>", "<s>"], show_progress=False,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator((text for pair in pairs for text in pair), trainer)
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)])
    tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer


def torch_losses(options, start, weights, tokenizer, pairs, dtype):
    model = type(start)(start.config)
    found = model.load_state_dict(weights, strict=False)
    assert not found.unexpected_keys, found
    model = model.to(dtype).train()
    optimizer = heed_run.adamw(model, 0.01)
    tokenizer.enable_truncation(BLOCK)
    sources = [row.ids for row in tokenizer.encode_batch([PREFIX + source for source, _ in pairs])]
    targets = [row.ids for row in tokenizer.encode_batch([target for _, target in pairs])]
    lengths = [max(len(source), len(target)) for source, target in zip(sources, targets)]
    begin, losses = model.config.decoder_start_token_id, []
    wraps = model.config.model_type == "mbart"  # its decoder reads a target's last token first
    for epoch in range(options.steps):
        for batch in heed_run.epoch_batches(lengths, BATCH, 0, epoch):
            source = padded([sources[row] for row in batch], 0)
            seen = padded([[1] * len(sources[row]) for row in batch], 0)
            before = padded([(targets[row][-1:] if wraps else [begin]) + targets[row][:-1] for row in batch], 0)
            after = padded([targets[row] for row in batch], IGNORED)
            logits = model(input_ids=source, attention_mask=seen, decoder_input_ids=before, use_cache=False).logits
            loss = F.cross_entropy(logits.flatten(0, 1), after.flatten())
            losses.append(loss.item())
            heed_run.update(model, optimizer, loss,
                            heed_run.rate("linear", RATE, len(losses) - 1, WARMUP, options.steps, None))
            if len(losses) == options.steps:
                return losses


def compare(name, options, folder, pairs):
    kind, config = MODELS[name]
    torch.manual_seed(20260101)
    start = kind(config)
    (folder / "start").mkdir(parents=True)
    start.save_pretrained(folder / "start")
    tokenizer = write_tokenizer(folder / "start", pairs)
    settings = ["--model", folder / "start", "--data", options.data, "--batch", BATCH, "--block", BLOCK,
                "--source-prefix", PREFIX, "--validation-part", 0, "--log-every", 1, "--threads", options.threads]
    run = heed_run.train(options.heed, "seq2seq", folder / "run", [
        *settings, "--schedule", "linear", "--warmup-steps", WARMUP, "--learning-rate", RATE, "--steps", options.steps])
    ours = [line["loss"] for line in run if "loss" in line]
    weights = heed_run.safetensors.torch.load_file(folder / "start" / "model.safetensors")
    theirs, exact = (torch_losses(options, start, weights, tokenizer, pairs, dtype)
                     for dtype in (torch.float32, torch.float64))
    print(f"{name}, {options.steps} updates, batches of {BATCH} pairs (torch {torch.__version__}, transformers "
          f"{transformers.__version__})")
    return heed_run.near_exact(ours, theirs, exact)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heed", default="build/release/heed")
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    transformers.logging.disable_progress_bar()
    pairs = read_pairs(options.data)
    with tempfile.TemporaryDirectory() as name:
        good = [compare(kind, options, pathlib.Path(name) / kind, pairs) for kind in MODELS]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
