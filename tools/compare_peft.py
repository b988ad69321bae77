#!/usr/bin/env python3
"""Compares low-rank adapters between Heed and the `peft` package, both ways, on small random models of each family.

    python tools/compare_peft.py [--heed build/release/heed] [--families gpt2 llama bert] [--seed 0]

From Heed: `heed train --lora-rank` trains adapters for a model that transformers made, and what the task puts on it; peft loads
the folder over that model and must find a place for every tensor and miss none. From peft: adapters of several configurations
with random values, which peft saves and Heed takes as --model. Either way transformers' logits through peft and those of
`heed forward` must be the same within 1e-4. Told are the largest differences and, beside them, how far the adapter moves the
base model's logits. Exit status 1 if anything differs. Needs torch, transformers, peft.
"""

import argparse
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import warnings

import numpy
import peft
import safetensors
import torch
import transformers
from transformers import (AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSeq2SeqLM, AutoModelForSequenceClassification,
                          AutoModelForTokenClassification)

TOLERANCE = 1e-4
POSITIONS, WIDTH, HEADS, LAYERS = 40, 32, 4, 2
CAUSAL = ("lm", AutoModelForCausalLM)
CLASSES = ("classify", AutoModelForSequenceClassification)
TAGS = ("ner", AutoModelForTokenClassification)
MASKED = ("mlm", AutoModelForMaskedLM)
PAIRS = ("seq2seq", AutoModelForSeq2SeqLM)
BERT = dict(hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS, intermediate_size=48,
            max_position_embeddings=POSITIONS, initializer_range=0.2)
DECODER = dict(BERT, num_key_value_heads=2)
GPT2 = dict(n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS, n_positions=POSITIONS, initializer_range=0.2)
DISTILBERT = dict(dim=WIDTH, n_layers=LAYERS, n_heads=HEADS, hidden_dim=48, max_position_embeddings=POSITIONS,
                  initializer_range=0.2)
BART = dict(d_model=WIDTH, encoder_layers=LAYERS, decoder_layers=LAYERS, encoder_attention_heads=HEADS,
            decoder_attention_heads=HEADS, encoder_ffn_dim=48, decoder_ffn_dim=48, max_position_embeddings=POSITIONS,
            decoder_start_token_id=1, pad_token_id=0, eos_token_id=1, bos_token_id=1, forced_eos_token_id=None, init_std=0.2)
T5 = dict(d_model=WIDTH, d_kv=8, num_heads=HEADS, num_layers=LAYERS, d_ff=48, decoder_start_token_id=0, pad_token_id=0,
          eos_token_id=1)
# family: the class that is saved, its configuration, the task and the class that peft wraps, further products to adapt
FAMILIES = {
    "gpt2": ("GPT2LMHeadModel", GPT2, CAUSAL, ["c_attn", "c_proj", "c_fc"]),
    "gpt2, bare": ("GPT2Model", GPT2, CAUSAL, ["attn.c_proj"]),
    "gpt2, untied": ("GPT2LMHeadModel", dict(GPT2, tie_word_embeddings=False), CAUSAL, ["attn.c_proj", "lm_head"]),
    "llama": ("LlamaForCausalLM", DECODER, CAUSAL, ["q_proj", "o_proj", "down_proj", "lm_head"]),
    "llama, bare": ("LlamaModel", dict(DECODER, tie_word_embeddings=True), CAUSAL, ["q_proj", "up_proj"]),
    "qwen2": ("Qwen2ForCausalLM", DECODER, CAUSAL, ["k_proj", "gate_proj"]),
    "phi3": ("Phi3ForCausalLM", dict(DECODER, pad_token_id=0), CAUSAL, ["qkv_proj", "gate_up_proj"]),
    "bert": ("BertModel", BERT, CLASSES, ["query", "key", "output.dense"]),
    "bert with a head": ("BertForSequenceClassification", BERT, CLASSES, ["intermediate.dense"]),
    "bert with another head": ("BertForMaskedLM", BERT, CLASSES, ["output.dense"]),
    "bert, tags": ("BertModel", BERT, TAGS, ["value"]),
    "bert, masked": ("BertForMaskedLM", BERT, MASKED, ["value"]),
    "roberta": ("RobertaModel", dict(BERT, pad_token_id=0), CLASSES, ["query", "intermediate.dense"]),
    "roberta, masked": ("RobertaForMaskedLM", dict(BERT, pad_token_id=0), MASKED, ["query", "output.dense"]),
    "distilbert": ("DistilBertModel", DISTILBERT, CLASSES, ["q_lin", "lin1"]),
    "distilbert, masked": ("DistilBertForMaskedLM", DISTILBERT, MASKED, ["v_lin", "lin2"]),
    "electra": ("ElectraModel", dict(BERT, embedding_size=16), CLASSES, ["query", "embeddings_project"]),
    "albert": ("AlbertModel", dict(BERT, embedding_size=16), CLASSES, ["query", "ffn"]),
    "t5": ("T5ForConditionalGeneration", T5, PAIRS, ["k", "wo"]),
    "bart": ("BartForConditionalGeneration", BART, PAIRS, ["fc1"]),
    "bart, bare": ("BartModel", BART, PAIRS, ["v_proj"]),
}
REFUSED = [dict(use_dora=True), dict(init_lora_weights="pissa"), dict(init_lora_weights="olora"), dict(lora_bias=True),
           dict(trainable_token_indices=[6]), dict(alpha_pattern={"q_proj": 9}), dict(alora_invocation_tokens=[6])]


def write_data(folder, draw):
    """Sentences of a few letters, alone, with labels, with tags and in pairs."""
    texts = [" ".join(draw.choices("abcdefgh", k=draw.randint(3, 12))) for _ in range(64)]
    (folder / "text.txt").write_text("\n".join(texts * 4) + "\n")
    (folder / "rows.csv").write_text("text,label\n" + "".join(f"{text},{'abc'[len(text) % 3]}\n" for text in texts))
    (folder / "names.conll").write_text("\n".join("".join(
        f"{letter} {'B-c' if letter < 'd' else 'O'}\n" for letter in text.split()) for text in texts))
    (folder / "pairs.tsv").write_text("".join(f"{text}\t{text[::-1]}\n" for text in texts))
    return {"lm": "text.txt", "mlm": "text.txt", "classify": "rows.csv", "ner": "names.conll", "seq2seq": "pairs.tsv"}


class Comparison:
    """One family: a base model in a folder, and adapters for it."""

    def __init__(self, heed, folder, family, draw):
        self.heed_program, self.folder, self.draw = heed, folder, draw
        name, fields, (self.task, self.auto), self.targets = FAMILIES[family]
        self.data = folder / write_data(folder, draw)[self.task]
        self.base = folder / "base"
        kind = "characters" if self.task in ("lm", "seq2seq") else "wordpiece"
        self.base.mkdir()
        self.run("tokenizer", "train", folder / "text.txt", "--kind", kind, "--vocab", 60, "--save", self.base)
        vocab = len(json.loads((self.base / "tokenizer.json").read_text())["model"]["vocab"])
        torch.manual_seed(draw.randrange(2**31))
        made = getattr(transformers, name)
        made(made.config_class(vocab_size=vocab, **fields)).save_pretrained(self.base)
        rows = [[draw.randrange(5, vocab) for _ in range(12)] for _ in range(3)]
        self.ids = torch.tensor(rows)
        (folder / "ids.json").write_text(json.dumps(rows))

    def try_run(self, *arguments):
        return subprocess.run([self.heed_program, *map(str, arguments), "--quiet"], capture_output=True, text=True)

    def run(self, *arguments):
        done = self.try_run(*arguments)
        if done.returncode != 0:
            sys.exit(f"compare_peft: heed {arguments[0]}: {done.stderr.strip()}")

    def heed_logits(self, adapter):
        out = self.folder / "out.npz"
        decoder = ["--decoder-ids", self.folder / "ids.json"] if self.task == "seq2seq" else []
        self.run("forward", "--ids", self.folder / "ids.json", *decoder, "--model", adapter, "--want", "logits", "--save", out)
        with numpy.load(out) as arrays:
            return torch.from_numpy(arrays["logits"])

    @torch.no_grad()
    def logits(self, model):
        decoder = {"decoder_input_ids": self.ids} if self.task == "seq2seq" else {}
        return model.eval()(input_ids=self.ids, **decoder).logits

    def base_model(self, adapter):
        """transformers' class over the base model, with a head for the adapter's labels, and what of it the base lacks."""
        labels = json.loads((adapter / "config.json").read_text()).get("id2label") if adapter else None
        more = {"num_labels": len(labels)} if labels and self.task in ("classify", "ner") else {}
        torch.manual_seed(0)
        model, told = self.auto.from_pretrained(self.base, ignore_mismatched_sizes=True, output_loading_info=True, **more)
        parts = [name.split(".") for name in [*told["missing_keys"], *(name for name, *_ in told["mismatched_keys"])]]
        return model, sorted({".".join(part[:1 + (part[0] == model.base_model_prefix)]) for part in parts})

    def of_heed(self, name, *options):
        """What is wrong with an adapter of Heed's in peft, how far logits are apart and how far it moved them."""
        adapter = self.folder / name
        self.run("train", self.task, "--data", self.data, "--model", self.base, "--out", adapter, "--lora-rank", 3, "--steps", 8,
                 "--batch", 8, "--block", 24, "--learning-rate", 3e-2, "--threads", 1, *options)
        base, _ = self.base_model(adapter)
        before = self.logits(base)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            model = peft.PeftModel.from_pretrained(base, adapter)
        wrong = [str(warning.message).split("\n")[0] for warning in told if "key" in str(warning.message)]
        places = {re.sub(r"\.(base_layer|(modules_to_save\.)?default)\b", "", name) for name in model.state_dict()}
        with safetensors.safe_open(adapter / "adapter_model.safetensors", "pt") as file:
            lost = set(file.keys()) - places
        if lost:
            wrong.append(f"peft has no place for {len(lost)} tensors such as {min(lost)}")
        return self.judge(name, wrong, model, before, adapter)

    def write_of_peft(self, name, options):
        """An adapter with random values that peft wrote: its folder, peft's model and the base model's logits."""
        adapter = self.folder / name
        model, new = self.base_model(None)
        before = self.logits(model)
        if new:
            options = dict(options, modules_to_save=new, exclude_modules=new)
        made = peft.get_peft_model(model, peft.LoraConfig(r=3, lora_alpha=5, **options))
        for tensor in made.parameters():
            if tensor.requires_grad:
                tensor.data += 0.3 * torch.randn(tensor.shape)
        made.save_pretrained(adapter)
        if new:  # a head that the base's config.json does not tell of
            model.config.architectures = [type(model).__name__]
            model.config.save_pretrained(adapter)
        return adapter, made, before

    def of_peft(self, name, **options):
        """The same of one that peft wrote."""
        adapter, model, before = self.write_of_peft(name, options)
        return self.judge(name, [], model, before, adapter)

    def refused(self, options):
        """What Heed says of an adapter that is more than a plain LoRA."""
        name = ", ".join(f"{key}={value}" for key, value in options.items())
        adapter, _, _ = self.write_of_peft(name, dict(options, target_modules=self.targets))
        done = self.try_run("inspect", adapter)
        told = done.returncode == 2 and ("plain LoRA" in done.stderr or "no low-rank update" in done.stderr)
        return name, [] if told else ["taken"]

    def judge(self, name, wrong, model, before, adapter):
        wanted, found = self.logits(model), self.heed_logits(adapter)
        if wanted.shape != found.shape:
            return name, [*wrong, f"logits {list(found.shape)}, needed {list(wanted.shape)}"], 0.0, 0.0
        apart, moved = (wanted - found).abs().max().item(), (wanted - before).abs().max().item()
        if not apart <= TOLERANCE:
            wrong.append(f"logits are {apart:.1e} apart")
        if moved < 100 * TOLERANCE:
            wrong.append(f"the adapter does next to nothing: {moved:.1e}")
        return name, wrong, apart, moved

    def all(self):
        yield self.of_heed("usual targets")
        yield self.of_heed("more targets", "--lora-targets", *self.targets)
        yield self.of_peft("peft's", target_modules=self.targets)
        yield self.of_peft("peft's, rslora", target_modules=self.targets, use_rslora=True)
        yield self.of_peft("peft's, biases", target_modules=self.targets, bias="all")
        yield self.of_peft("peft's, ranks", target_modules=self.targets, rank_pattern={self.targets[0]: 5})
        yield self.of_peft("peft's, all products", target_modules="all-linear")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heed", default="build/release/heed")
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    print(f"peft {peft.__version__}, transformers {transformers.__version__}, torch {torch.__version__}\n")
    print("| family | adapter | largest difference | moved by | |\n|---|---|---|---|---|")
    good = True
    for family in options.families:
        with tempfile.TemporaryDirectory() as name:
            comparison = Comparison(options.heed, pathlib.Path(name), family, random.Random(options.seed))
            for what, wrong, apart, moved in comparison.all():
                good = good and not wrong
                print(f"| {family} | {what} | {apart:.1e} | {moved:.2f} | {'; '.join(wrong) or 'equal'} |", flush=True)
            for what, wrong in map(comparison.refused, REFUSED if family == "llama" else []):
                good = good and not wrong
                print(f"| {family} | {what} | | | {'; '.join(wrong) or 'refused'} |", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
