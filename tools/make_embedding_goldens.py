#!/usr/bin/env python3
"""Writes tests/golden/sentence_transformers.json: vectors that sentence-transformers computes, and its folders' files.

    python tools/make_embedding_goldens.py

Needs torch, transformers, sentence-transformers, tokenizers. The encoder is the one of tests/golden/encoder_bert_tag;
each case holds the small files that sentence-transformers saves beside it, the Dense modules' weights, and vectors of
TEXTS: every pooling, alone and together, Dense with its activations, normalisation, a shorter max_seq_length, prompts
that are pooled or not.
"""

import json
import pathlib
import tempfile

import torch
import transformers
from make_encoder_goldens import GOLDEN, VERSIONS
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from sentence_transformers import __version__ as SENTENCE_TRANSFORMERS
from sentence_transformers.base.modules.dense import Dense
from sentence_transformers.base.modules.normalize import Normalize
from sentence_transformers.base.modules.transformer import Transformer
from sentence_transformers.sentence_transformer.modules.pooling import Pooling

MODEL, WIDTH, SEED = "encoder_bert_tag", 12, 20260103
TEXTS = ["bad cab, a fig", "", "jade", "dice fig - hij. bad? chad jaded abcdefghij cabed fig a b c d e f g"]
OWN_FILES = ["modules.json", "sentence_bert_config.json", "config_sentence_transformers.json", "tokenizer_config.json"]
PROMPTS = {"query": "fig? ", "passage": "a b "}


def encoder(folder):
    """The golden's weights as a folder that transformers' classes load."""
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_bytes((GOLDEN / MODEL / name).read_bytes())
    transformers.BertTokenizerFast(tokenizer_file=str(GOLDEN / MODEL / "tokenizer.json"), pad_token="[PAD]",
                                   unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
                                   mask_token="[MASK]").save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes((GOLDEN / MODEL / "tokenizer.json").read_bytes())
    return Transformer(str(folder), model_kwargs={"attn_implementation": "eager", "dtype": torch.float32})


def saved_files(folder):
    """modules.json and all that its modules have, but for the encoder's own."""
    files = {}
    for path in sorted(folder.rglob("*.json")):
        name = str(path.relative_to(folder))
        if "/" in name or name in OWN_FILES:
            files[name] = json.loads(path.read_text())
    files.get("config_sentence_transformers.json", {}).pop("__version__", None)
    return files


def case_of(name, modes, dense=(), normalize=False, most=None, prompts=None, default=None, include_prompt=True,
            **encode):
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        start, folder = pathlib.Path(first), pathlib.Path(second)
        transformer = encoder(start)
        if most:
            transformer.max_seq_length = most
        pooling = Pooling(WIDTH, pooling_mode=modes, include_prompt=include_prompt)
        layers = [Dense(i, o, bias=bias, activation_function=act) for i, o, bias, act in dense]
        for layer in layers:
            torch.nn.init.normal_(layer.linear.weight, std=0.5)
        modules = [transformer, pooling, *layers, *([Normalize()] if normalize else [])]
        model = SentenceTransformer(modules=modules, device="cpu", prompts=prompts, default_prompt_name=default)
        model.save(str(folder), create_model_card=False)
        vectors = model.encode(TEXTS, **encode)
        weights = {str(path.parent.relative_to(folder)): {n: t.tolist() for n, t in load_file(path).items()}
                   for path in sorted(folder.glob("*_Dense/model.safetensors"))}
        return {"name": name, "files": saved_files(folder), "weights": weights, "encode": encode,
                "vectors": vectors.tolist()}


def main():
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    transformers.logging.set_verbosity_error()
    cases = [case_of(mode, mode) for mode in Pooling.POOLING_MODES]
    acts = (torch.nn.Tanh(), torch.nn.Identity(), torch.nn.GELU(), torch.nn.ReLU(), torch.nn.Sigmoid(), torch.nn.SiLU())
    cases += [case_of(f"dense {type(act).__name__}", "mean", dense=[(WIDTH, 5, i != 1, act)])
              for i, act in enumerate(acts)]
    cases += [
        case_of("everything", ("cls", "mean", "weightedmean"), normalize=True, most=9,
                dense=[(3 * WIDTH, 8, True, torch.nn.Tanh()), (8, 6, False, torch.nn.Identity())]),
        case_of("all ways", Pooling.POOLING_MODES, normalize=True),
        case_of("a default prompt", "mean", prompts=PROMPTS, default="passage"),
        case_of("a named prompt", "mean", prompts=PROMPTS, default="passage", prompt_name="query"),
        case_of("a prompt of one's own", "mean", prompts=PROMPTS, default="passage", prompt="bad "),
        case_of("a prompt that is not pooled", Pooling.POOLING_MODES, prompts=PROMPTS, include_prompt=False,
                prompt_name="query"),
    ]
    versions = VERSIONS | {"sentence-transformers": SENTENCE_TRANSFORMERS, "seed": str(SEED)}
    golden = {"versions": versions, "model": MODEL, "texts": TEXTS, "cases": cases}
    (GOLDEN / "sentence_transformers.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
