"""PyTorch's side of bench/train.py: steps of training the same GPT-2, eager or compiled.

Usage: train_worker.py eager|compile. Answers jobs, one JSON object a line. The model is nanoGPT's:
scaled_dot_product_attention, and AdamW in its fused form.
"""
import json
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from peer import clock, peak_bytes


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


class Training:
    def __init__(self, job, compiled):
        self.job = job
        model = Gpt2(job)
        weights = read_safetensors(job["weights"])
        prefix = "transformer." if "transformer.wte.weight" in weights else ""
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                value = weights[prefix + checkpoint_name(name)]
                conv = any(part in name for part in NAMES) and value.dim() == 2  # GPT-2 keeps [K, N]
                parameter.copy_(value.T if conv else value)
        decayed = [p for p in model.parameters() if p.dim() > 1]
        others = [p for p in model.parameters() if p.dim() <= 1]
        groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99), fused=True)
        self.parameters = list(model.parameters())
        self.model = torch.compile(model) if compiled else model
        self.random = np.random.RandomState(7)  # std::mt19937's words

    def kept_bytes(self):
        return 16 * sum(p.numel() for p in self.parameters)

    def draw(self):
        words = self.random.randint(0, 2**32, self.job["batch"] * self.job["block"], np.uint64)
        return torch.from_numpy((words % self.job["vocab"]).astype(np.int64)).view(
            self.job["batch"], self.job["block"])

    def step(self):
        loss = self.model(self.draw(), self.draw())
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
