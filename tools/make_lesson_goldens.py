"""Writes tests/golden/lessons.json: steps of the lessons as PyTorch computes them.

Run with any Python that has torch: python tools/make_lesson_goldens.py
Keys are lesson, then step (names as in heed/lessons/*.cc). Weights are drawn in f32 from the seeds
below, as the lessons draw them; the arithmetic is f64. The versions used are recorded in the file.
"""

import json
import math
import pathlib

import torch
import torch.nn.functional as F
from torch import nn


def linear(inputs, outputs, bias=True):
    return nn.Linear(inputs, outputs, bias=bias).double()


def scores(q, k, scale=None):
    return q @ k.transpose(-1, -2) * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)


def attend(q, k, v, **options):
    return F.scaled_dot_product_attention(q[None, None], k[None, None], v[None, None], **options)[0, 0]


def spotlight():
    weights = torch.softmax(torch.tensor([[0.1, 0.9, 0.3, 0.2, 0.1]]).double(), -1)
    values = torch.full((5, 3), 0.1).double()
    values[1] = torch.tensor([0.9, 0.2, 0.1])
    values[2] = torch.tensor([0.1, 0.9, 0.2])
    values[3] = torch.tensor([0.1, 0.2, 0.4])
    values[4] = torch.tensor([0.1, 0.1, 0.9])
    return {"weighted sum": weights @ values}


def scratch():
    torch.manual_seed(42)
    x = torch.randn(1, 4, 8).double()
    q, k, v, out = [linear(8, 8, bias=False) for _ in range(4)]
    return {"torch x": x[0], "torch output": out(attend(q(x[0]), k(x[0]), v(x[0])))}


def cross():
    torch.manual_seed(42)
    concepts = torch.randn(5, 8)
    x = (concepts + 0.3 * torch.randn(5, 8)).double()
    z = (concepts[[0, 2, 1, 4]] + 0.3 * torch.randn(4, 8)).double()
    return {
        "self weights": torch.softmax(scores(x, x), -1),
        "self context": attend(x, x, x),
        "cross scores": scores(x, z),
        "cross weights": torch.softmax(scores(x, z), -1),
        "cross context": attend(x, z, z),
    }


def heads():
    hour = 2 * math.pi / 12
    kinds = [3, 4, 5, 3, 4, 7, 6, 5]  # article noun verb article noun conjunction pronoun verb
    x = torch.zeros(8, 16).double()
    for t, kind in enumerate(kinds):
        x[t, 0], x[t, 1], x[t, 2] = 1, math.cos(hour * t), math.sin(hour * t)
        x[t, kind] = x[t, 8 + t] = 1
    w_q, w_k, w_v = [torch.zeros(16, 16).double() for _ in range(3)]
    for head, hours in enumerate([-1, 1, 0]):
        turn = 40 * torch.tensor(
            [
                [math.cos(hour * hours), math.sin(hour * hours)],
                [-math.sin(hour * hours), math.cos(hour * hours)],
            ]
        )
        w_q[1:3, 2 * head : 2 * head + 2] = turn
        w_k[1, 2 * head] = w_k[2, 2 * head + 1] = 1
    w_q[0, 6], w_k[1, 6] = 40, 1
    for head, (who, whom) in zip([4, 5, 6], [(0, 4), (0, 5), (6, 4)]):
        w_q[who, 2 * head], w_k[whom, 2 * head] = 8, 1
    w_v[4, 0::2] = w_v[5, 1::2] = 1
    attention = nn.MultiheadAttention(16, 8, bias=False, batch_first=True).double()
    one_head = nn.MultiheadAttention(16, 1, bias=False, batch_first=True).double()
    for module in (attention, one_head):
        module.in_proj_weight.data = torch.cat([w_q.T, w_k.T, w_v.T])
        module.out_proj.weight.data = torch.eye(16).double()
    y, weights = attention(x[None], x[None], x[None], average_attn_weights=False)
    _, one_weights = one_head(x[None], x[None], x[None])
    jobs = ["before", "after", "itself", "first", "nouns", "verbs", "it->noun", "idle"]
    steps = {f"head {h + 1}: {job}": weights[0, h] for h, job in enumerate(jobs)}
    return steps | {
        'what "it" sees': weights[0, :, 6],
        'what "it" learns': y[0, 6].reshape(8, 2),
        "one head's scores": scores(x @ w_q, x @ w_k),
        "one head's weights": one_weights[0],
    }


def causal():
    torch.manual_seed(1)
    table = torch.randn(6, 4)
    torch.manual_seed(2)
    q, k, v = [linear(4, 4, bias=False) for _ in range(3)]
    mat, moon = table[[0, 1, 2, 3, 0, 4]].double(), table[[0, 1, 2, 3, 0, 5]].double()
    hidden = torch.ones(6, 6).triu(1).bool()
    masked = scores(q(mat), k(mat)).masked_fill(hidden, -math.inf)
    return {
        "scores": scores(q(mat), k(mat)),
        "weights": torch.softmax(masked, -1),
        "masked too late": torch.softmax(scores(q(mat), k(mat)), -1).masked_fill(hidden, 0),
        "outputs": attend(q(mat), k(mat), v(mat), is_causal=True),
        "outputs with moon": attend(q(moon), k(moon), v(moon), is_causal=True),
    }


def sinusoids(places, width):
    angles = torch.tensor(places).double()[:, None] / 10000 ** (
        torch.arange(0, width, 2).double() / width
    )
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)


def positions():
    torch.manual_seed(3)
    x = torch.randn(3, 4).double()
    p = sinusoids([0, 1, 2], 4)
    dog, man = x, x.flip(0)
    starts, table = [0, 10, 31, 100, 4000], lambda t: sinusoids(t, 32)
    return {
        "dog ate man": attend(dog, dog, dog),
        "man ate dog": attend(man, man, man),
        "positions": p,
        "dog ate man, placed": attend(dog + p, dog + p, dog + p),
        "man ate dog, placed": attend(man + p, man + p, man + p),
        "table": table(list(range(32))),
        "distance": torch.stack([table(list(range(t, t + 9))) @ table([t])[0] for t in starts]),
        "beyond the trained length": table([31, 32, 33, 1000, 4999])[:, :8],
    }


def block():
    torch.manual_seed(42)
    x = torch.randn(4, 8).double()
    q, k, v, out = [linear(8, 8) for _ in range(4)]
    widen, narrow = linear(8, 16), linear(16, 8)
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True).double()
    attention = layer.self_attn
    attention.in_proj_weight.data = torch.cat([m.weight.data for m in (q, k, v)])
    attention.in_proj_bias.data = torch.cat([m.bias.data for m in (q, k, v)])
    attention.out_proj, layer.linear1, layer.linear2 = out, widen, narrow
    layer.eval()
    attended, weights = attention(x[None], x[None], x[None], average_attn_weights=False)
    normed = layer.norm1(x + attended[0])
    return {
        "weights of head 1": weights[0, 0],
        "weights of head 2": weights[0, 1],
        "attention": attended[0],
        "residual": x + attended[0],
        "norm": normed,
        "inner": torch.relu(widen(normed)),
        "feed-forward": narrow(torch.relu(widen(normed))),
        "output": layer(x[None])[0],
        "gradient": torch.stack([gradients(wiring) for wiring in range(4)]),
    }


def gradients(wiring, layers=50, tokens=4, width=8, inner=32):
    """log10 of |dL/dx_l| / |dL/dx_L|, l = 50, 45, .. 0, by autograd; wirings as in stack.h."""
    torch.manual_seed(0)

    def wire(x, f):
        y = f(x) if wiring < 2 else x + f(x)
        return F.layer_norm(y, (width,)) if wiring % 2 else y

    x = torch.randn(tokens, width).double().requires_grad_()
    states = [x]
    for _ in range(layers):
        q, k, v, out = [linear(width, width) for _ in range(4)]
        widen, narrow = linear(width, inner), linear(inner, width)
        x = wire(x, lambda z: out(attend(q(z), k(z), v(z))))
        x = wire(x, lambda z: narrow(torch.relu(widen(z))))
        x.retain_grad()
        states.append(x)
    (x * torch.randn(tokens, width).double()).sum().backward()
    norms = torch.stack([state.grad.norm() for state in reversed(states)])
    return torch.log10(norms[::5] / norms[0])


def main():
    lessons = {
        f.__name__: {name: values.tolist() for name, values in f().items()}
        for f in (spotlight, scratch, cross, heads, causal, positions, block)
    }
    goldens = {"versions": {"torch": torch.__version__}, "lessons": lessons}
    nine_digits = json.loads(json.dumps(goldens), parse_float=lambda s: float(f"{float(s):.9g}"))
    path = pathlib.Path(__file__).parent.parent / "tests" / "golden" / "lessons.json"
    path.write_text(json.dumps(nine_digits) + "\n")


if __name__ == "__main__":
    main()
