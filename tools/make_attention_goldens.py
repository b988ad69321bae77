"""Writes what PyTorch and Hugging Face compute for each option of attention, for tests/ops/attention_goldens_test.cc.

    python tools/make_attention_goldens.py

Needs torch, transformers, safetensors. Writes tests/golden/attention.safetensors: q, k, v and dy that the cases
share, the cases' own parameters and results (y, lse or weights where the source gives them, gradients of
sum(y * dy)), and in the metadata a JSON list of cases with the options in heed's terms. Sources:
  torch.nn.functional.scaled_dot_product_attention; flex_attention run eagerly (score_mod, mask_mod); the eager
  attention of transformers for T5, MPT and BLOOM (ALiBi), Mistral (windows), Gemma 2 (softcap), gpt-oss (sinks)
Everything is drawn from SEED on one thread; versions are recorded in the file.
"""

import json
import math
import pathlib
import types
import warnings

import torch
import transformers
from safetensors.torch import save_file
from torch.nn import functional
from torch.nn.attention.flex_attention import AuxRequest, create_block_mask, flex_attention
from transformers import masking_utils
from transformers.models.bloom.modeling_bloom import build_alibi_tensor
from transformers.models.gemma2 import modeling_gemma2
from transformers.models.gpt_oss import modeling_gpt_oss
from transformers.models.mistral import modeling_mistral
from transformers.models.mpt.modeling_mpt import build_mpt_alibi_tensor
from transformers.models.t5.configuration_t5 import T5Config
from transformers.models.t5.modeling_t5 import T5Attention

SEED = 20261121
OUT = pathlib.Path(__file__).parent.parent / "tests" / "golden" / "attention.safetensors"
B, H, G, T, S, D, E = 2, 4, 2, 12, 17, 8, 6
PAST = S - T

torch.manual_seed(SEED)
torch.set_num_threads(1)
tensors = {
    "q": torch.randn(B, H, T, D),
    "k": torch.randn(B, G, S, D),
    "v": torch.randn(B, G, S, E),
    "dy": torch.randn(B, H, T, E),
}
cases = []


def add(name, compute, options, parameters=None, dtype=torch.float32):
    """compute(q, k, v, **parameters) gives y [B, H, T, E] or (y, {"lse"|"weights": tensor}). options: heed's names;
    what names a tensor of this case is in parameters."""
    q, k, v = (tensors[x].to(dtype).requires_grad_() for x in "qkv")
    parameters = {key: value.detach().clone() for key, value in (parameters or {}).items()}
    trained = {key: value.requires_grad_() for key, value in parameters.items() if value.is_floating_point()}
    result = compute(q, k, v, **parameters)
    y, more = result if isinstance(result, tuple) else (result, {})
    assert y.shape == (B, H, T, E), (name, y.shape)
    leaves = {"q": q, "k": k, "v": v, **trained}
    found = torch.autograd.grad((y.float() * tensors["dy"]).sum(), list(leaves.values()))
    keep = {"y": y, **more}
    if dtype == torch.float32:
        keep.update({f"d{key}": gradient for key, gradient in zip(leaves, found)})
    tensors.update({f"{name}.{key}": value for key, value in {**parameters, **keep}.items()})
    cases.append({"name": name, "dtype": str(dtype).removeprefix("torch."), "parameters": sorted(parameters),
                  "results": sorted(keep), **options})


def module(**values):
    """What Hugging Face's eager functions read of a layer."""
    return types.SimpleNamespace(num_key_value_groups=H // G, training=False, head_dim=D, **values)


def as_bias(visible):
    return torch.zeros(visible.shape).masked_fill(~visible, -math.inf)


def pairs(function):
    """A mask function of (batch, head, query position, key) on the last T of S positions."""
    queries = torch.arange(PAST, S)[:, None]
    keys = torch.arange(S)[None, :]
    return function(0, 0, queries, keys)


def eager(q, k, v, bias, scale=1 / math.sqrt(D)):
    """As Hugging Face's modules have it, for those whose own is tied to projections."""
    k, v = (x.repeat_interleave(H // G, 1) for x in (k, v))
    weights = functional.softmax(q @ k.transpose(2, 3) * scale + bias, dim=-1)
    return weights @ v, {"weights": weights}


# ---- PyTorch ----


def sdpa(q, k, v, **options):
    return functional.scaled_dot_product_attention(q, k, v, enable_gqa=True, **options)


def add_sdpa():
    add("sdpa", sdpa, {})
    add("sdpa_scale", lambda q, k, v: sdpa(q, k, v, scale=0.2), {"scale": 0.2})
    add("sdpa_causal", lambda q, k, v: sdpa(q, k, v, is_causal=True), {"causal": "top-left"})
    visible = torch.rand(B, 1, T, S) < 0.5
    visible[..., 0] = True
    add("sdpa_boolean", lambda q, k, v, mask: sdpa(q, k, v, attn_mask=mask), {"mask": "mask"}, {"mask": visible})
    bias = torch.randn(1, H, T, S)
    add("sdpa_additive", lambda q, k, v, bias: sdpa(q, k, v, attn_mask=bias), {"bias": "bias"}, {"bias": bias})
    for dtype in (torch.bfloat16, torch.float16):
        add("sdpa_" + str(dtype).removeprefix("torch."), sdpa, {}, dtype=dtype)


def flex(q, k, v, score_mod=None, mask_mod=None):
    """FlexAttention's definition, written out because its own code has no backward on CPUs; the forward must agree."""
    b, h, i, j = (torch.arange(n).view([-1 if d == at else 1 for d in range(4)]) for at, n in enumerate((B, H, T, S)))
    keys, values = (x.repeat_interleave(H // G, 1) for x in (k, v))
    scores = q @ keys.transpose(2, 3) / math.sqrt(D)
    if score_mod is not None:
        scores = score_mod(scores, b, h, i, j)
    if mask_mod is not None:
        scores = scores.masked_fill(~mask_mod(b, h, i, j), -math.inf)
    y = functional.softmax(scores, dim=-1) @ values
    with torch.no_grad():
        mask = None if mask_mod is None else create_block_mask(mask_mod, B, H, T, S, device="cpu", BLOCK_SIZE=8)
        by_torch, aux = flex_attention(q.detach(), k.detach(), v.detach(), score_mod=score_mod, block_mask=mask,
                                       enable_gqa=True, return_aux=AuxRequest(lse=True))
        torch.testing.assert_close(y, by_torch)
    return y, {"lse": aux.lse}


def add_flex():
    add("flex_softcap",
        lambda q, k, v: flex(q, k, v, lambda score, b, h, i, j: 3 * torch.tanh(score / 3)), {"softcap": 3.0})
    slopes = torch.rand(H)
    add("flex_alibi",
        lambda q, k, v, alibi: flex(q, k, v, lambda score, b, h, i, j: score - alibi[h] * (i + PAST - j).abs()),
        {"alibi": "alibi"}, {"alibi": slopes})
    add("flex_window",
        lambda q, k, v: flex(q, k, v, None, lambda b, h, i, j: (j >= i + PAST - 3) & (j <= i + PAST + 2)),
        {"window": [3, 2]})
    add("flex_causal_window",
        lambda q, k, v: flex(q, k, v, None, lambda b, h, i, j: (j >= i + PAST - 4) & (j <= i + PAST)),
        {"causal": "bottom-right", "window": [4, -1]})
    lengths = torch.tensor([S, 9])
    add("flex_lengths", lambda q, k, v, lengths: flex(q, k, v, None, lambda b, h, i, j: j < lengths[b]),
        {"lengths": "lengths"}, {"lengths": lengths})
    # Softcap, then a bias, then a window: the order that the contract names.
    bias = torch.randn(B, 1, 1, S)
    add("flex_all",
        lambda q, k, v, bias, alibi: flex(
            q, k, v,
            lambda score, b, h, i, j: 2 * torch.tanh(score / 2) - alibi[h] * (i + PAST - j).abs() + bias[b, 0, 0, j],
            lambda b, h, i, j: (j <= i + PAST) & (j >= i + PAST - 6)),
        {"softcap": 2.0, "alibi": "alibi", "bias": "bias", "causal": "bottom-right", "window": [6, -1]},
        {"alibi": slopes, "bias": bias})


# ---- Hugging Face ----


def t5_bias(table, decoder, most):
    config = T5Config(d_model=8, d_kv=2, num_heads=H, relative_attention_num_buckets=table.shape[0],
                      relative_attention_max_distance=most, is_decoder=decoder)
    attention = T5Attention(config, has_relative_attention_bias=True, layer_idx=0)
    buckets = pairs(lambda b, h, i, j: attention._relative_position_bucket(j - i, not decoder, table.shape[0], most))
    # compute_bias with our table, which must get its gradient
    return functional.embedding(buckets, table).permute(2, 0, 1)[None]


def add_t5():
    for decoder in (False, True):
        table = torch.randn(8, H)
        causal = as_bias(pairs(masking_utils.causal_mask_function)) if decoder else 0
        add("t5_decoder" if decoder else "t5_encoder",
            lambda q, k, v, table: eager(q, k, v, t5_bias(table, decoder, 10) + causal, scale=1),
            {"scale": 1.0, "relative": {"table": "table", "bidirectional": not decoder, "max_distance": 10},
             **({"causal": "bottom-right"} if decoder else {})}, {"table": table})
    distances = torch.arange(-600, 601)
    tables = []
    for both in (True, False):
        for buckets in (4, 8, 16, 32, 48, 64):
            for most in (20, 64, 128, 256, 500):
                if most <= buckets // (4 if both else 2):
                    continue
                name = f"buckets.{len(tables)}"
                found = T5Attention._relative_position_bucket(distances, both, buckets, most)
                tensors[name] = found.to(torch.int8)
                tables.append({"name": name, "bidirectional": both, "buckets": buckets, "max_distance": most})
    return tables


def add_others():
    causal = as_bias(pairs(masking_utils.causal_mask_function))
    # ALiBi by key alone: equal but for a constant in each row, which a causal softmax does not see.
    slopes = -build_mpt_alibi_tensor(H, 2)[:, 0, 0]
    add("mpt", lambda q, k, v: eager(q, k, v, build_mpt_alibi_tensor(H, S) + causal),
        {"causal": "bottom-right", "alibi_values": slopes.tolist()})
    bloom = build_alibi_tensor(torch.ones(1, S, dtype=torch.long), H, torch.float32).reshape(1, H, 1, S)
    add("bloom", lambda q, k, v: eager(q, k, v, bloom + causal),
        {"causal": "bottom-right", "alibi_values": bloom[0, :, 0, 1].tolist()})

    def run(source, layer, **options):
        def compute(q, k, v, **parameters):
            y, weights = source.eager_attention_forward(module(**layer, **parameters), q, k, v, scaling=D**-0.5, **options)
            return y.transpose(1, 2), {"weights": weights}
        return compute

    window = as_bias(pairs(masking_utils.sliding_window_causal_mask_function(5)))
    add("mistral_window", run(modeling_mistral, {}, attention_mask=window), {"causal": "bottom-right", "window": [4, -1]})
    add("gemma2_softcap", run(modeling_gemma2, {}, attention_mask=causal, softcap=1.5),
        {"causal": "bottom-right", "softcap": 1.5})
    add("gpt_oss_sinks", run(modeling_gpt_oss, {}, attention_mask=causal), {"causal": "bottom-right", "sinks": "sinks"},
        {"sinks": torch.randn(H)})
    add("gpt_oss_sinks_window", run(modeling_gpt_oss, {}, attention_mask=window),
        {"causal": "bottom-right", "window": [4, -1], "sinks": "sinks"}, {"sinks": 2 * torch.randn(H)})


def main():
    warnings.filterwarnings("ignore", message="flex_attention called without torch.compile")
    add_sdpa()
    add_flex()
    tables = add_t5()
    add_others()
    flat = {name: value.detach().contiguous().clone() for name, value in tensors.items()}
    save_file(flat, OUT, metadata={"torch": torch.__version__, "transformers": transformers.__version__,
                                   "seed": str(SEED), "cases": json.dumps(cases), "buckets": json.dumps(tables)})
    print(f"{len(cases)} cases, {len(tables)} bucket tables, {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
