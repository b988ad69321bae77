"""Writes what PyTorch, Hugging Face and sentence-transformers compute, for the tests of nn, models and tasks.

    python tools/make_goldens.py [--minilm FOLDER]

Needs torch, transformers, sentence-transformers, safetensors. Writes to tests/golden:
  nn.safetensors            nn.MultiheadAttention with its mask options, nn.TransformerEncoderLayer and
                            DecoderLayer, sinusoids; what each case is stands in the metadata
  bert_*/                   random BERTs of odd shapes as checkpoint folders, with expected.safetensors
  minilm.safetensors        samples of all-MiniLM-L6-v2 on 20 texts (with --minilm only)
Everything is drawn from kSeed on one thread; versions are recorded in every file.
"""

import argparse
import json
import math
import pathlib
import random

import numpy
import torch
import transformers
from safetensors.torch import save_file
from torch import nn

SEED = 20260101
GOLDEN = pathlib.Path(__file__).parent.parent / "tests" / "golden"
VERSIONS = {
    "torch": torch.__version__,
    "transformers": transformers.__version__,
    "numpy": numpy.__version__,
    "seed": str(SEED),
}


def save(tensors, path, **metadata):
    path.parent.mkdir(parents=True, exist_ok=True)
    flat = {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}
    save_file(flat, path, metadata={**VERSIONS, **metadata})


def scramble(module):
    """Weights that make attention sharp and norms and biases matter."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.dim() >= 2:
                parameter.normal_(0, 1.5 / math.sqrt(parameter.shape[-1]))
            elif name.endswith("weight"):
                parameter.normal_(1, 0.2)
            else:
                parameter.normal_(0, 0.2)
    return module.eval()


# ---- nn.MultiheadAttention -------------------------------------------------------------------------------------

WIDTH, HEADS, BATCH, QUERIES, KEYS = 12, 3, 2, 5, 7


def attention_modules():
    make = nn.MultiheadAttention
    return {
        "plain": make(WIDTH, HEADS, batch_first=True),
        "no_bias": make(WIDTH, HEADS, bias=False, batch_first=True),
        "widths": make(WIDTH, HEADS, kdim=10, vdim=9, batch_first=True),
        "bias_kv": make(WIDTH, HEADS, add_bias_kv=True, batch_first=True),
        "zero_attn": make(WIDTH, HEADS, add_zero_attn=True, batch_first=True),
        "both_extra": make(WIDTH, HEADS, add_bias_kv=True, add_zero_attn=True, batch_first=True),
    }


def attention_masks(queries, keys):
    """Every kind of mask argument; no row is hidden whole (PyTorch gives NaN there)."""
    padding = torch.zeros(BATCH, keys, dtype=torch.bool)
    padding[1, keys - 2 :] = True
    pairs = torch.rand(queries, keys) < 0.4
    pairs[:, 0] = False
    per_head = torch.rand(BATCH * HEADS, queries, keys) < 0.4
    per_head[:, :, 0] = False
    added = torch.randn(queries, keys)
    added[1, 2] = -math.inf
    causal = torch.ones(queries, keys, dtype=torch.bool).triu(1)
    return {
        "none": {},
        "padding_bool": {"key_padding_mask": padding},
        "padding_float": {"key_padding_mask": torch.randn(BATCH, keys)},
        "pairs_bool": {"attn_mask": pairs},
        "pairs_float": {"attn_mask": added},
        "heads_bool": {"attn_mask": per_head},
        "heads_float": {"attn_mask": torch.randn(BATCH * HEADS, queries, keys)},
        "causal": {"attn_mask": causal, "is_causal": True},
        "both_bool": {"key_padding_mask": padding, "attn_mask": pairs},
        "both_float": {"key_padding_mask": torch.randn(BATCH, keys), "attn_mask": added},
        "causal_padding": {"key_padding_mask": padding, "attn_mask": causal, "is_causal": True},
    }


def attention_goldens(tensors, cases):
    for module_name, module in attention_modules().items():
        scramble(module)
        for name, parameter in module.named_parameters():
            tensors[f"attention.{module_name}.{name}"] = parameter
        for inputs in ("self", "memory", "separate"):
            if module_name == "widths" and inputs != "separate":
                continue
            keys = QUERIES if inputs == "self" else KEYS
            query = torch.randn(BATCH, QUERIES, WIDTH)
            key = query if inputs == "self" else torch.randn(BATCH, keys, module.kdim)
            value = torch.randn(BATCH, keys, module.vdim) if inputs == "separate" else key
            given = {"query": query, "key": key, "value": value}
            tensors.update({f"attention.{module_name}.{inputs}.{k}": v for k, v in given.items()})
            for mask_name, masks in attention_masks(QUERIES, keys).items():
                if module_name not in ("plain", "both_extra") and mask_name not in ("none", "causal_padding"):
                    continue
                case = f"attention.{module_name}.{inputs}.{mask_name}"
                y, weights = module(query, key, value, need_weights=True, average_attn_weights=False, **masks)
                _, averaged = module(query, key, value, need_weights=True, average_attn_weights=True, **masks)
                alone, _ = module(query, key, value, need_weights=False, **masks)
                # with extra keys and is_causal PyTorch's own two paths differ: the fused one hides the extra keys
                if not (module_name == "both_extra" and mask_name == "causal"):
                    torch.testing.assert_close(alone, y, rtol=0, atol=1e-5, msg=lambda m: f"{case}: {m}")
                tensors.update({f"{case}.y": y, f"{case}.weights": weights, f"{case}.averaged": averaged})
                for kind in ("key_padding_mask", "attn_mask"):
                    if kind in masks and "is_causal" not in masks:
                        tensors[f"{case}.{kind}"] = masks[kind]
                    elif kind == "key_padding_mask" and kind in masks:
                        tensors[f"{case}.{kind}"] = masks[kind]
                cases["attention"].append(
                    {"case": case, "module": module_name, "inputs": inputs, "causal": "is_causal" in masks}
                )


# ---- blocks and positions --------------------------------------------------------------------------------------


def block_goldens(tensors, cases):
    width, heads, feed_forward = 20, 4, 28
    for norm_first in (False, True):
        for activation, bias in (("relu", True), ("gelu", True), ("relu", False)):
            name = f"{'pre' if norm_first else 'post'}_{activation}{'' if bias else '_no_bias'}"
            options = dict(
                d_model=width, nhead=heads, dim_feedforward=feed_forward, activation=activation,
                batch_first=True, norm_first=norm_first, bias=bias,
            )
            x, memory = torch.randn(BATCH, QUERIES, width), torch.randn(BATCH, KEYS, width)
            causal = torch.ones(QUERIES, QUERIES, dtype=torch.bool).triu(1)
            padding = torch.zeros(BATCH, KEYS, dtype=torch.bool)
            padding[1, 4:] = True
            encoder = scramble(nn.TransformerEncoderLayer(**options))
            decoder = scramble(nn.TransformerDecoderLayer(**options))
            for kind, module in (("encoder", encoder), ("decoder", decoder)):
                for parameter_name, parameter in module.named_parameters():
                    tensors[f"{kind}.{name}.{parameter_name}"] = parameter
            tensors[f"encoder.{name}.x"] = memory
            tensors[f"encoder.{name}.y"] = encoder(memory)
            tensors[f"encoder.{name}.y_padded"] = encoder(memory, src_key_padding_mask=padding)
            tensors[f"decoder.{name}.x"] = x
            tensors[f"decoder.{name}.memory"] = memory
            tensors[f"decoder.{name}.y"] = decoder(
                x, memory, tgt_mask=causal, tgt_is_causal=True, memory_key_padding_mask=padding
            )
            cases["blocks"].append(
                {"name": name, "norm_first": norm_first, "activation": activation, "bias": bias, "width": width,
                 "heads": heads, "feed_forward": feed_forward, "lengths": [KEYS, 4]}
            )


def sinusoid(tokens, width):
    """The table as the usual PyTorch listing makes it, in f64."""
    position = torch.arange(tokens, dtype=torch.float64).unsqueeze(1)
    step = torch.exp(torch.arange(0, width, 2, dtype=torch.float64) * (-math.log(10000.0) / width))
    table = torch.zeros(tokens, width, dtype=torch.float64)
    table[:, 0::2] = torch.sin(position * step)
    table[:, 1::2] = torch.cos(position * step)[:, : width // 2]
    return table.float()


def nn_goldens():
    torch.manual_seed(SEED)
    tensors, cases = {}, {"attention": [], "blocks": []}
    attention_goldens(tensors, cases)
    block_goldens(tensors, cases)
    tensors["sinusoid.even"] = sinusoid(9, 16)
    tensors["sinusoid.odd"] = sinusoid(9, 7)
    tensors["sinusoid.far"] = sinusoid(100001, 8)[100000:]
    save(tensors, GOLDEN / "nn.safetensors", cases=json.dumps(cases))


# ---- BERT ------------------------------------------------------------------------------------------------------

BERTS = {
    # heads, head_dim, layers, feed-forward, types, activation, with "bert." and pooler, dtype, old norm names
    "bert_1x5": (1, 5, 2, 7, 1, "relu", False, torch.float32, False),
    "bert_3x13": (3, 13, 2, 50, 2, "gelu", False, torch.float32, True),
    "bert_7x8": (7, 8, 3, 30, 3, "gelu_new", True, torch.float32, False),
    "bert_3x17": (3, 17, 1, 20, 2, "gelu", True, torch.float16, False),
    "bert_1x160": (1, 160, 1, 33, 2, "gelu_new", False, torch.bfloat16, False),
}


def bert_goldens():
    for number, (name, spec) in enumerate(BERTS.items()):
        heads, head_dim, layers, feed_forward, types, activation, task, dtype, old = spec
        torch.manual_seed(SEED + number)
        config = transformers.BertConfig(
            vocab_size=23, hidden_size=heads * head_dim, num_hidden_layers=layers, num_attention_heads=heads,
            intermediate_size=feed_forward, hidden_act=activation, max_position_embeddings=11,
            type_vocab_size=types, layer_norm_eps=1e-12, architectures=["BertForMaskedLM" if task else "BertModel"],
        )
        config._attn_implementation = "eager"
        model = transformers.BertModel(config, add_pooling_layer=task)
        scramble(model)
        model.to(dtype).to(torch.float32)  # the stored values are what is computed with
        lengths = [9, 11, 1, 4]
        mask = torch.tensor([[1] * n + [0] * (11 - n) for n in lengths])
        ids = torch.randint(0, 23, mask.shape) * mask
        type_ids = torch.randint(0, types, mask.shape) * mask
        with torch.no_grad():
            out = model(input_ids=ids, attention_mask=mask, token_type_ids=type_ids, output_hidden_states=True,
                        output_attentions=True)
        real = mask.float()
        expected = {
            "input_ids": ids.int(), "token_type_ids": type_ids.int(), "lengths": torch.tensor(lengths).int(),
            "hidden_states": torch.stack(out.hidden_states) * real[None, :, :, None],
            "attentions": torch.stack(out.attentions) * real[None, :, None, :, None],
        }
        if task:
            expected["pooler_output"] = out.pooler_output
        folder = GOLDEN / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(config.to_json_string())
        weights = {("bert." if task else "") + n: p.to(dtype) for n, p in model.named_parameters()}
        if old:
            weights = {
                n.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): p
                for n, p in weights.items()
            }
        save(weights, folder / "model.safetensors", format="pt")
        save(expected, folder / "expected.safetensors")


# ---- MiniLM ----------------------------------------------------------------------------------------------------

WORDS = """the a river bank money deposit river's walked along water slowly bright morning 1999 3.14 coffee, tea; people
who said "nothing" (at first) about attention heads: layers weights, sums - and yet! Étude naïve straße 東京 emoji 🙂
programming languages compile quickly under unreasonable circumstances; mathematicians disagree. question? answer!
unbelievability tokenization antidisestablishmentarianism cat sat on mat journey starts with one step""".split()
LENGTHS = [1, 2, 3, 5, 7, 9, 9, 15, 16, 17, 31, 33, 64, 100, 127, 129, 255, 257, 500, 512]
FIXED = {0: None, 1: "", 5: "I sat by the river bank.", 6: "I deposited money in the bank."}


def minilm_texts(tokenizer):
    """Texts of exactly LENGTHS tokens with [CLS] and [SEP]; the first is one id without a text."""
    draw = random.Random(SEED)
    texts = []
    for index, length in enumerate(LENGTHS):
        if index in FIXED:
            text = FIXED[index]
        else:
            text = ""
            while (missing := length - len(tokenizer(text)["input_ids"])) > 0:
                fitting = [w for w in WORDS if len(tokenizer(w, add_special_tokens=False)["input_ids"]) <= missing]
                text = (text + " " + draw.choice(fitting)).strip()
        ids = [2003] if text is None else tokenizer(text)["input_ids"]
        assert len(ids) == length, (length, len(ids), text)
        texts.append((text, ids))
    return texts


def load_minilm(folder):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, model_max_length=10**6)
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    model = transformers.AutoModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    return tokenizer, model


def sentence_vector(model, ids):
    """Mean over the tokens, normalised; ids are cut at 256 as sentence_bert_config.json says."""
    if len(ids) > 256:
        ids = ids[:255] + ids[-1:]
    with torch.no_grad():
        state = model(input_ids=torch.tensor([ids])).last_hidden_state
    return nn.functional.normalize(state.mean(dim=1), dim=1)[0]


def minilm_goldens(folder):
    from sentence_transformers import SentenceTransformer

    tokenizer, model = load_minilm(folder)
    texts = minilm_texts(tokenizer)
    generator = torch.Generator().manual_seed(SEED)
    sentences = SentenceTransformer(str(folder), device="cpu")
    columns = {k: [] for k in ("ids", "vectors", "state_at", "state", "attention_at", "attention", "state_sums")}
    for text, ids in texts:
        with torch.no_grad():
            out = model(input_ids=torch.tensor([ids]), output_attentions=True)
        vector = sentence_vector(model, ids)
        if text is not None:
            torch.testing.assert_close(torch.tensor(sentences.encode(text)), vector, rtol=0, atol=1e-6)
        state = out.last_hidden_state[0]  # [T, C]
        at = torch.randint(0, state.numel(), (64,), generator=generator)
        attention_at = torch.randint(0, out.attentions[0].numel(), (len(out.attentions), 64), generator=generator)
        columns["ids"].append(torch.tensor(ids))
        columns["vectors"].append(vector)
        columns["state_at"].append(at)
        columns["state"].append(state.flatten()[at])
        columns["state_sums"].append(state.double().sum(dim=1).float())
        columns["attention_at"].append(attention_at)
        columns["attention"].append(torch.stack([a.flatten()[i] for a, i in zip(out.attentions, attention_at)]))
    tensors = {k: torch.cat(v) if k in ("ids", "state_sums") else torch.stack(v) for k, v in columns.items()}
    tensors = {k: v.int() if v.dtype == torch.int64 else v for k, v in tensors.items()}
    save(tensors, GOLDEN / "minilm.safetensors", texts=json.dumps([text for text, _ in texts]),
         lengths=json.dumps([len(ids) for _, ids in texts]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minilm", type=pathlib.Path, help="folder of all-MiniLM-L6-v2")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.backends.mha.set_fastpath_enabled(False)  # the plain path: the documented formula
    nn_goldens()
    bert_goldens()
    if options.minilm:
        minilm_goldens(options.minilm)


if __name__ == "__main__":
    main()
