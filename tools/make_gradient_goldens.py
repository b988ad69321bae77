#!/usr/bin/env python3
"""Writes gradients that PyTorch computes in f64, and how far its own f32 is from them, for the tests of
layers, recurrent cells and models in training.

    python tools/make_gradient_goldens.py

Needs torch, transformers, safetensors. Writes tests/golden/gradients.safetensors: of each case weights,
inputs, y (f64, stored as f32), r, and the gradients of sum(y r), named CASE/weights/NAME and so on. The
metadata hold "cases" (sizes) and "errors", the L2 distance of PyTorch's f32 gradient of each tensor. BERTs are those that tools/make_goldens.py wrote: their weights and ids are not repeated.
"""

import copy
import json
import math
import pathlib

import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import nn

SEED = 20260102
GOLDEN = pathlib.Path(__file__).parent.parent / "tests" / "golden"
TENSORS, CASES, ERRORS = {}, {}, {}


def random(*shape):
    return torch.randn(shape, dtype=torch.float64).float().double()  # numbers that f32 holds


def scramble(module):
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            size = 1.5 / math.sqrt(parameter.shape[-1]) if parameter.dim() > 1 else 0.3
            centre = 1.0 if parameter.dim() == 1 and "weight" in name else 0.0
            parameter.copy_((centre + size * random(*parameter.shape)).to(parameter.dtype))
    return module


def gradients(run, module, inputs, r, dtype):
    """y and the gradients of sum(y r) for weights and inputs, computed in dtype."""
    module = copy.deepcopy(module).to(dtype)
    leaves = {n: t.detach().to(dtype).requires_grad_() for n, t in inputs.items()}
    y = run(module, **leaves)
    (y * r.to(dtype)).sum().backward()
    found = dict(module.named_parameters()) | leaves
    return y.detach(), {n: t.grad.double() for n, t in found.items() if t.grad is not None}


def add_case(name, module, inputs, run, keep_weights=True, weigh=1, **facts):
    module = module.double().eval()
    with torch.no_grad():
        shape = run(module, **inputs).shape
    r = random(*shape) * weigh
    y, exact = gradients(run, module, inputs, r, torch.float64)
    rough = gradients(run, module, inputs, r, torch.float32)[1]
    for key, gradient in exact.items():
        ERRORS[f"{name}/{key}"] = (rough[key] - gradient).norm().item()
    groups = {"gradients": exact, "inputs": inputs, "": {"y": y, "r": r}}
    if keep_weights:
        groups["weights"] = dict(module.named_parameters())
    for group, tensors in groups.items():
        for key, tensor in tensors.items():
            place = "/".join(part for part in (name, group, key) if part)
            TENSORS[place] = tensor.detach().float().contiguous().clone()
    CASES[name] = facts


def blocks():
    """Encoder and decoder layers, post-norm and pre-norm; padding and causality as masks."""
    sizes = dict(d_model=12, nhead=3, dim_feedforward=10, dropout=0.0, batch_first=True)
    lengths = [5, 3]
    hidden = torch.tensor([[j >= n for j in range(5)] for n in lengths])
    real = (~hidden).double()[:, :, None]
    causal = torch.triu(torch.ones(4, 4, dtype=torch.bool), 1)
    for kind, activation, first in (("post", "relu", False), ("pre", "gelu", True)):
        options = dict(**sizes, activation=activation, norm_first=first)
        add_case(f"encoder_{kind}", scramble(nn.TransformerEncoderLayer(**options)), {"x": random(2, 5, 12)},
                 lambda m, x: m(x, src_key_padding_mask=hidden), weigh=real, lengths=lengths,
                 activation=activation, norm_first=first)
        add_case(f"decoder_{kind}", scramble(nn.TransformerDecoderLayer(**options)),
                 {"x": random(2, 4, 12), "memory": random(2, 5, 12)},
                 lambda m, x, memory: m(x, memory, tgt_mask=causal, memory_key_padding_mask=hidden),
                 lengths=lengths, activation=activation, norm_first=first)


def attention():
    """Separate widths; trained extra keys and a key of zeros."""
    def run(m, query, key, value):
        return m(query, key, value, need_weights=False)[0]

    inputs = {"query": random(2, 4, 12), "key": random(2, 5, 7), "value": random(2, 5, 9)}
    add_case("attention_widths", scramble(nn.MultiheadAttention(12, 3, kdim=7, vdim=9, batch_first=True)),
             inputs, run)
    inputs = {name: random(2, 4, 12) for name in ("query", "key", "value")}
    add_case("attention_extra", scramble(nn.MultiheadAttention(12, 3, add_bias_kv=True, add_zero_attn=True,
                                                               batch_first=True)), inputs, run)


class Additive(nn.Module):
    """Bahdanau et al., 2015, appendix A.1.2: weights softmax(v . tanh(W q + U k)), then the keys' mean."""

    def __init__(self, queries, keys, width):
        super().__init__()
        self.query, self.key = nn.Linear(queries, width, bias=False), nn.Linear(keys, width)
        self.score = nn.Linear(width, 1, bias=False)

    def forward(self, q, k):  # [B, Q], [B, S, K]
        scores = self.score(torch.tanh(self.query(q)[:, None] + self.key(k)))
        return (scores.softmax(1) * k).sum(1)


def recurrent():
    """x [B, T, I] -> every state [B, T, H]."""
    add_case("lstm", scramble(nn.LSTM(5, 6, batch_first=True)), {"x": random(3, 7, 5)}, lambda m, x: m(x)[0])
    add_case("gru", scramble(nn.GRU(5, 6, batch_first=True)), {"x": random(3, 7, 5)}, lambda m, x: m(x)[0])
    add_case("additive", scramble(Additive(5, 4, 8)), {"q": random(3, 5), "k": random(3, 6, 4)},
             lambda m, q, k: m(q, k))


def berts():
    for name in ("bert_3x13", "bert_3x17"):
        folder = GOLDEN / name
        config = transformers.BertConfig.from_pretrained(folder)
        config._attn_implementation = "eager"
        model = transformers.BertModel(config, add_pooling_layer=False)
        weights = {n.removeprefix("bert.").replace("gamma", "weight").replace("beta", "bias"): t.float()
                   for n, t in load_file(folder / "model.safetensors").items() if "pooler" not in n}
        model.load_state_dict(weights)
        model.embeddings.word_embeddings.padding_idx = None  # id 0 stands in real places here
        given = load_file(folder / "expected.safetensors")
        lengths = given["lengths"].tolist()
        mask = torch.tensor([[1] * n + [0] * (given["input_ids"].shape[1] - n) for n in lengths])

        def run(m):
            return m(input_ids=given["input_ids"].long(), attention_mask=mask,
                     token_type_ids=given["token_type_ids"].long()).last_hidden_state

        add_case(name, model, {}, run, keep_weights=False, weigh=mask.double()[:, :, None])


def main():
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    for make in (blocks, attention, recurrent, berts):
        make()
    save_file(TENSORS, GOLDEN / "gradients.safetensors",
              metadata={"torch": torch.__version__, "transformers": transformers.__version__, "seed": str(SEED),
                        "cases": json.dumps(CASES), "errors": json.dumps(ERRORS)})


if __name__ == "__main__":
    main()
