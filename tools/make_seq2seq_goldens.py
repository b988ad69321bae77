"""Writes what transformers computes with small random T5s, BARTs and their like, for tests of models and generate.

    python tools/make_seq2seq_goldens.py

Needs torch, transformers, safetensors. Writes to tests/golden, as checkpoint folders (laid out by save_pretrained())
with expected.safetensors:
  t5_*, mt5, bart, mbart, marian*, pegasus   of odd shapes; the metadata hold what generate() writes with random options
  target_prefix.json                         what they write from the decoder_input_ids that a text begins with
  gradients_t5, gradients_bart               as make_model_goldens.py writes those of the others
Everything is drawn from SEED on one thread; versions are recorded in every file.
"""

import copy
import json
import random
import shutil
import tempfile

import torch
import transformers
from make_goldens import GOLDEN, SEED, VERSIONS, save, scramble
from make_model_goldens import random_targets, write_gradients
from torch import nn

VOCAB, POSITIONS, SOURCE, TARGET = 41, 40, 11, 7
LENGTHS = [11, 4, 9]


def t5(**further):
    return {"vocab_size": VOCAB, "d_model": 18, "d_kv": 5, "num_heads": 3, "num_layers": 2, "d_ff": 29,
            "decoder_start_token_id": 0, "pad_token_id": 0, "eos_token_id": 1, **further}


def bart(**further):
    return {"vocab_size": VOCAB, "d_model": 12, "encoder_layers": 2, "decoder_layers": 1, "encoder_attention_heads": 4,
            "decoder_attention_heads": 2, "encoder_ffn_dim": 21, "decoder_ffn_dim": 17,
            "max_position_embeddings": POSITIONS, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, **further}


MODELS = {
    # class, configuration, dtype of the file
    "t5_relu": ("T5", t5(relative_attention_num_buckets=7, relative_attention_max_distance=9), torch.float32),
    "t5_gated": ("T5", t5(feed_forward_proj="gated-gelu", d_kv=8, num_layers=1, num_decoder_layers=3,
                          relative_attention_num_buckets=13, relative_attention_max_distance=20,
                          tie_word_embeddings=False), torch.bfloat16),
    "mt5": ("MT5", t5(feed_forward_proj="gated-silu", num_layers=1, relative_attention_num_buckets=10,
                      relative_attention_max_distance=8), torch.float32),
    "bart": ("Bart", bart(decoder_layers=2), torch.float32),
    "mbart": ("MBart", bart(scale_embedding=True, decoder_start_token_id=3, activation_function="relu"), torch.float16),
    "marian": ("Marian", bart(scale_embedding=True, activation_function="swish", decoder_start_token_id=1,
                              forced_eos_token_id=2), torch.float32),
    "marian_apart": ("Marian", bart(d_model=10, encoder_layers=1, encoder_attention_heads=2,
                                    share_encoder_decoder_embeddings=False, decoder_vocab_size=VOCAB - 8,
                                    decoder_start_token_id=1, forced_eos_token_id=None), torch.float32),
    "pegasus": ("Pegasus", bart(scale_embedding=True, d_model=14, encoder_attention_heads=1, pad_token_id=0,
                                bos_token_id=None, eos_token_id=1, decoder_start_token_id=0), torch.float32),
}
CLASSES = {kind: f"{kind}ForConditionalGeneration" for kind in ("T5", "MT5", "Bart", "MBart", "Pegasus")}
CLASSES["Marian"] = "MarianMTModel"


def build(kind, fields):
    """A random one whose attention is sharp; sinusoids stay what they are."""
    config = getattr(transformers, f"{kind}Config")(**fields)
    config._attn_implementation = "eager"
    model = getattr(transformers, CLASSES[kind])(config)
    if fields.get("tie_word_embeddings") is False:  # transformers 5 ties nonetheless where it makes a model
        model.lm_head.weight = nn.Parameter(torch.empty(fields["vocab_size"], fields["d_model"]))
    scramble(model)
    with torch.no_grad():
        for module in model.modules():
            if "Sinusoidal" in type(module).__name__:
                module.weight.copy_(module.create_weight())
        if hasattr(model, "final_logits_bias"):
            model.final_logits_bias.normal_(0, 0.5)
    return model


def with_parameters_in(model, dtype):
    other = copy.deepcopy(model)
    for parameter in other.parameters():
        parameter.data = parameter.data.to(dtype)
    return other


def random_options(draw, vocab, end, beams):
    """By the names of generation_config.json."""
    def ids(count):
        return [draw.randrange(3, vocab) for _ in range(count)]

    every = {
        "length_penalty": lambda: draw.choice([-1.0, 0.0, 0.6, 1.0, 2.0]),
        "early_stopping": lambda: draw.choice([True, False, "never"]),
        "no_repeat_ngram_size": lambda: draw.choice([1, 2, 3]),
        "encoder_no_repeat_ngram_size": lambda: draw.choice([1, 2, 3]),
        "repetition_penalty": lambda: draw.choice([0.7, 1.2, 2.0]),
        "encoder_repetition_penalty": lambda: draw.choice([0.7, 1.3, 2.5]),
        "min_length": lambda: draw.randint(2, 9),
        "min_new_tokens": lambda: draw.randint(1, 8),
        "forced_bos_token_id": lambda: draw.randrange(3, vocab),
        "forced_eos_token_id": lambda: end,
        "bad_words_ids": lambda: [ids(1), ids(1), ids(2)],
        "suppress_tokens": lambda: ids(6),
        "begin_suppress_tokens": lambda: ids(4),
        "sequence_bias": lambda: [[ids(1), 2.5], [ids(2), -3.0]],
    }
    chosen = draw.sample(sorted(every), draw.randint(0, 5))
    options = {name: every[name]() for name in chosen if beams > 1 or name not in ("length_penalty", "early_stopping")}
    options["num_beams"] = beams
    options["max_new_tokens"] = draw.randint(6, 20)
    if beams > 1:
        options["num_return_sequences"] = draw.randint(1, beams)
    return options


def write(model, source, options, begin=None):
    """The texts that generate() writes, without the start token and what pads them, and the scores of a beam search.
    begin: the ids that a text begins with, after the start token."""
    model.generation_config.forced_eos_token_id = None  # what config does not say is taken from there
    config = copy.deepcopy(model.generation_config)
    config.update(max_length=None, use_cache=False, **options)
    more = {} if begin is None else {
        "decoder_input_ids": torch.tensor([[model.generation_config.decoder_start_token_id, *begin]])}
    with torch.no_grad():
        out = model.generate(
            torch.tensor([source]), attention_mask=torch.ones(1, len(source), dtype=torch.long),
            generation_config=config, do_sample=options.get("do_sample", False), return_dict_in_generate=True,
            output_scores=True, **more)
    end, texts, known = model.config.eos_token_id, [], len(begin or [])
    for row in out.sequences[:, 1:].tolist():
        texts.append(row[:row.index(end, known) + 1] if end in row[known:] else row)
    scores = out.sequences_scores.tolist() if options["num_beams"] > 1 else None
    return texts, scores


def generated(model, seed, with_prefix=False):
    """Texts that f32 and f64 agree on: where two are equally likely, rounding chooses. with_prefix: and that begin with
    random tokens, behind the one that options force to stand first."""
    draw = random.Random(seed)
    vocab = model.get_output_embeddings().weight.shape[0]
    double, cases = copy.deepcopy(model).double(), []
    for beams in (1, 1, 2, 3, 4):
        while True:
            source = [draw.randrange(3, VOCAB) for _ in range(draw.randint(1, 9))] + [model.config.eos_token_id]
            options = random_options(draw, vocab, model.config.eos_token_id, beams)
            prefix = [draw.randrange(3, vocab) for _ in range(draw.randint(1, 5))] if with_prefix else None
            forced = options.get("forced_bos_token_id")
            begin = prefix if not prefix or forced is None else [forced, *prefix]
            try:
                ids, scores = write(double, source, options, begin)
                if write(model, source, options, begin)[0] == ids:
                    break
            except ValueError:  # options that leave no token
                continue
        cases.append({"options": options, "source": source, "ids": ids, "scores": scores})
        if with_prefix:
            cases[-1]["prefix"] = prefix
    return cases


def prefix_goldens():
    models = {}
    for number, (name, (kind, _, _)) in enumerate(MODELS.items()):
        model = getattr(transformers, CLASSES[kind]).from_pretrained(
            GOLDEN / name, dtype=torch.float32, attn_implementation="eager").eval()
        models[name] = generated(model, SEED + 100 + number, with_prefix=True)
    (GOLDEN / "target_prefix.json").write_text(json.dumps({"versions": VERSIONS, "models": models}) + "\n")


def gradient_goldens():
    cases = (
        ("gradients_t5", "T5", t5(feed_forward_proj="gated-gelu", num_layers=1, d_model=12, d_ff=17,
                                  relative_attention_num_buckets=9, relative_attention_max_distance=6)),
        ("gradients_bart", "Bart", bart(encoder_layers=1, max_position_embeddings=12)))
    for name, kind, fields in cases:
        torch.manual_seed(SEED)
        model = build(kind, fields)
        if hasattr(model, "final_logits_bias"):
            model.final_logits_bias.zero_()  # a buffer, which the file leaves out
        lengths = [9, 4, 12, 1, 7, 12]
        padding = torch.arange(max(lengths))[None, :] >= torch.tensor(lengths)[:, None]
        source = torch.randint(3, VOCAB, padding.shape)
        target = torch.randint(3, VOCAB, (len(lengths), 10))
        write_gradients(model, json.loads(model.config.to_json_string()), name,
                        lambda m, s, p, t: m(input_ids=s, attention_mask=(~p).long(), decoder_input_ids=t,
                                             use_cache=False).logits,
                        [source, padding, target, random_targets(target.shape, VOCAB)],
                        {"source": source, "lengths": torch.tensor(lengths), "target": target})


def main():
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    gradient_goldens()
    for number, (name, (kind, fields, dtype)) in enumerate(MODELS.items()):
        torch.manual_seed(SEED + number)
        stored = with_parameters_in(build(kind, fields), dtype)
        model = with_parameters_in(stored, torch.float32)
        ids = torch.randint(3, VOCAB, (len(LENGTHS), SOURCE))
        mask = (torch.arange(SOURCE) < torch.tensor(LENGTHS)[:, None]).long()
        target = torch.randint(3, fields.get("decoder_vocab_size", VOCAB), (len(LENGTHS), TARGET))
        with torch.no_grad():
            out = model(input_ids=ids, attention_mask=mask, decoder_input_ids=target, use_cache=False,
                        output_hidden_states=True, output_attentions=True)
        expected = {"input_ids": ids.int(), "lengths": torch.tensor(LENGTHS).int(), "decoder_ids": target.int(),
                    "logits": out.logits}
        for what in ("encoder_hidden_states", "decoder_hidden_states", "encoder_attentions", "decoder_attentions",
                     "cross_attentions"):
            expected[what] = torch.stack(getattr(out, what))
        folder = GOLDEN / name
        save(expected, folder / "expected.safetensors", generated=json.dumps(generated(model, SEED + number)))
        with tempfile.TemporaryDirectory() as written:
            stored.save_pretrained(written)
            for file in ("config.json", "generation_config.json", "model.safetensors"):
                shutil.copy(f"{written}/{file}", folder / file)
        print(name, {f.name: f.stat().st_size for f in folder.iterdir()})
    prefix_goldens()


if __name__ == "__main__":
    main()
