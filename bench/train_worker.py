"""PyTorch's side of bench/train.py: steps of training the same model, eager or compiled.

Usage: train_worker.py eager|compile. Answers jobs, one JSON object a line. GPT-2 is nanoGPT's,
the classifier transformers'; both with scaled_dot_product_attention, and AdamW in its fused form.
"""
import json
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from peer import clock, peak_bytes
from texts import make_ids, make_mask


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.ln_1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.ln_2 = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = (y.view(b, t, self.heads, c // self.heads).transpose(1, 2)
                   for y in self.qkv(self.ln_1(x)).split(c, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(b, t, c))
        return x + self.narrow(F.gelu(self.widen(self.ln_2(x)), approximate="tanh"))


class Gpt2(nn.Module):
    def __init__(self, job):
        super().__init__()
        self.words = nn.Embedding(job["vocab"], job["width"])
        self.positions = nn.Embedding(job["block"], job["width"])
        self.blocks = nn.ModuleList(Block(job["width"], job["heads"]) for _ in range(job["layers"]))
        self.norm = nn.LayerNorm(job["width"])

    def forward(self, ids, targets):
        x = self.words(ids) + self.positions.weight
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.norm(x), self.words.weight)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def read_safetensors(path):
    """f32 tensors by name; the format is a length, a JSON header and the numbers."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    return {name: torch.from_numpy(np.frombuffer(data[slice(*entry["data_offsets"])], np.float32)
                                   .reshape(entry["shape"]).copy())
            for name, entry in header.items() if name != "__metadata__"}


NAMES = {"qkv": "attn.c_attn", "out": "attn.c_proj", "widen": "mlp.c_fc", "narrow": "mlp.c_proj"}
TOPS = {"words": "wte", "positions": "wpe", "norm": "ln_f"}


def checkpoint_name(name):
    """What Hugging Face's GPT-2 calls a parameter of Gpt2 above."""
    parts = name.split(".")
    if parts[0] != "blocks":
        return ".".join([TOPS[parts[0]], *parts[1:]])
    return ".".join(["h", parts[1], NAMES.get(parts[2], parts[2]), parts[3]])


class LanguageModel:
    """The model, and its loss on the next batch."""

    def __init__(self, job):
        self.shape = job["batch"], job["block"]
        self.vocab = job["vocab"]
        self.random = np.random.RandomState(7)  # std::mt19937's words
        self.model = Gpt2(job)
        weights = read_safetensors(job["weights"])
        prefix = "transformer." if "transformer.wte.weight" in weights else ""
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                value = weights[prefix + checkpoint_name(name)]
                conv = any(part in name for part in NAMES) and value.dim() == 2  # GPT-2 keeps [K, N]
                parameter.copy_(value.T if conv else value)

    def draw(self):
        words = self.random.randint(0, 2**32, self.shape[0] * self.shape[1], np.uint64)
        return torch.from_numpy((words % self.vocab).astype(np.int64)).view(self.shape)

    def next_loss(self):
        return self.model(self.draw(), self.draw())


class Classifier:
    def __init__(self, job):
        from transformers import BertForSequenceClassification

        self.model = BertForSequenceClassification.from_pretrained(
            job["model"], attn_implementation="sdpa", dtype=torch.float32).train()
        self.ids, self.mask = (torch.from_numpy(make(job["lengths"])) for make in (make_ids, make_mask))
        self.targets = torch.arange(len(job["lengths"]))

    def next_loss(self):
        return F.cross_entropy(self.model(self.ids, attention_mask=self.mask).logits, self.targets)


class Training:
    def __init__(self, job, compiled):
        self.learner = Classifier(job) if "model" in job else LanguageModel(job)
        self.parameters = list(self.learner.model.parameters())
        groups = [{"params": [p for p in self.parameters if p.dim() > 1], "weight_decay": 0.1},
                  {"params": [p for p in self.parameters if p.dim() <= 1], "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99), fused=True)
        if compiled:
            self.learner.model = torch.compile(self.learner.model)

    def kept_bytes(self):
        return 16 * sum(p.numel() for p in self.parameters)

    def step(self):
        loss = self.learner.next_loss()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.item()


def main():
    key, training = None, None
    for line in sys.stdin:
        job = json.loads(line)
        torch.set_num_threads(job["threads"])
        if job["key"] != key:
            training = None  # frees its memory first
            before = peak_bytes()
            key, training = job["key"], Training(job, sys.argv[1] == "compile")
        start = clock(job["threads"])
        losses = [training.step() for _ in range(job["steps"])]
        print(json.dumps({"losses": losses, "kept_bytes": training.kept_bytes(),
                          "seconds": (clock(job["threads"]) - start) / job["steps"],
                          "peak_bytes": peak_bytes(), "bare_bytes": before}), flush=True)


if __name__ == "__main__":
    main()
