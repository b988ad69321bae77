"""Writes what transformers computes with small random Llamas and models like them, for the tests of models and generate.

    python tools/make_decoder_goldens.py

Needs torch, transformers, safetensors. Writes to tests/golden, as checkpoint folders with expected.safetensors:
  llama_*, qwen2, qwen3, mistral, phi3   of odd shapes; the metadata hold what generate() writes (64 tokens greedily, and
                                         with beams) and how far the model's own bf16 is from its f32 (bf16_error)
  gradients_llama                        as make_model_goldens.py writes those of the others
Everything is drawn from SEED on one thread; versions are recorded in every file.
"""

import copy
import json
import random

import torch
import transformers
from make_goldens import GOLDEN, SEED, save, scramble
from make_model_goldens import random_targets, write_gradients
from safetensors.torch import save_file

TOKENS, POSITIONS, VOCAB, NEW = 13, 96, 41, 64
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 32}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 24}
LONG = {"rope_type": "longrope", "short_factor": [1.0, 1.3, 2.0], "long_factor": [1.0, 4.0, 9.0]}


def sizes(heads, kv_heads, width, layers, inner, **further):
    return {"vocab_size": VOCAB, "hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads,
            "num_key_value_heads": kv_heads, "intermediate_size": inner, "max_position_embeddings": POSITIONS,
            "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, **further}


def rope(parameters, theta=10000.0):
    return {"rope_parameters": {"rope_theta": theta, **parameters}}


DECODERS = {
    # class, configuration, dtype of the file, whether config.json says rope_theta and rope_scaling as before version 5
    "llama_plain": ("Llama", sizes(4, 2, 24, 2, 37), torch.float32, True),
    "llama_llama3": ("Llama", sizes(3, 1, 21, 3, 30, head_dim=10, tie_word_embeddings=True, **rope(LLAMA3, 500000.0)),
                     torch.bfloat16, False),
    "llama_linear": ("Llama", sizes(2, 2, 12, 2, 19, attention_bias=True, mlp_bias=True,
                                    **rope({"rope_type": "linear", "factor": 4.0})), torch.float16, True),
    "llama_dynamic": ("Llama", sizes(5, 5, 20, 1, 23, rms_norm_eps=1e-5,
                                     **rope({"rope_type": "dynamic", "factor": 2.0})), torch.float32, False),
    "llama_yarn": ("Llama", sizes(4, 4, 32, 2, 28, hidden_act="gelu", **rope(YARN)), torch.float32, True),
    "llama_yarn_ramp": ("Llama", sizes(2, 1, 36, 1, 25, **rope({
        **YARN, "beta_fast": 8.0, "beta_slow": 2.0, "mscale": 0.9, "mscale_all_dim": 0.7, "truncate": False})),
        torch.float32, False),
    "qwen2": ("Qwen2", sizes(4, 2, 24, 3, 31, use_sliding_window=True, sliding_window=5, max_window_layers=1,
                             tie_word_embeddings=True, **rope({"rope_type": "default"}, 1000000.0)),
              torch.bfloat16, True),
    "qwen3": ("Qwen3", sizes(3, 3, 15, 2, 27, head_dim=8, attention_bias=True), torch.float32, False),
    "mistral": ("Mistral", sizes(6, 3, 24, 2, 33, head_dim=6, sliding_window=7), torch.float16, False),
    "phi3": ("Phi3", sizes(2, 1, 24, 2, 29, sliding_window=40, original_max_position_embeddings=POSITIONS,
                           **{**rope({**LONG, "partial_rotary_factor": 0.5}), "max_position_embeddings": 2 * POSITIONS}),
             torch.float32, False),
}


def write(model, case):
    """What generate() writes, as ids and the score of a beam search."""
    prompt = case["prompt"]
    out = model.generate(
        torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long), do_sample=False,
        num_beams=case["beams"], max_new_tokens=NEW, eos_token_id=VOCAB, pad_token_id=0,  # nothing ends a text
        return_dict_in_generate=True, output_scores=True)
    score = out.sequences_scores[0].item() if case["beams"] > 1 else None
    return out.sequences[0, len(prompt):].tolist(), score


def generated(model, seed):
    """Texts that f32 and f64 agree on: where two are equally likely, rounding chooses."""
    draw = random.Random(seed)
    double, cases = copy.deepcopy(model).double(), []
    for beams in (1, 1, 2, 3):
        while True:
            case = {"beams": beams, "prompt": [draw.randrange(3, VOCAB) for _ in range(draw.randint(1, 9))]}
            case["ids"], case["score"] = write(double, case)
            if write(model, case)[0] == case["ids"]:
                break
        cases.append(case)
    return cases


def with_parameters_in(model, dtype):
    """A copy; frequencies of positions stay what they are, as when a checkpoint of that dtype is loaded."""
    other = copy.deepcopy(model)
    for parameter in other.parameters():
        parameter.data = parameter.data.to(dtype)
    return other


def as_before(config):
    """Names of config.json as transformers wrote them before version 5."""
    parameters = config.pop("rope_parameters")
    config["rope_theta"] = parameters.pop("rope_theta")
    kind = parameters.pop("rope_type")
    config["rope_scaling"] = None if kind == "default" else {"type": kind, **parameters}
    return config


def decoder_goldens():
    for number, (name, (kind, fields, dtype, before)) in enumerate(DECODERS.items()):
        torch.manual_seed(SEED + number)
        config = getattr(transformers, f"{kind}Config")(**fields, architectures=[f"{kind}ForCausalLM"])
        config._attn_implementation = "eager"
        stored = with_parameters_in(scramble(getattr(transformers, f"{kind}ForCausalLM")(config)), dtype)
        model = with_parameters_in(stored, torch.float32)
        ids = torch.randint(0, VOCAB, (3, TOKENS))
        with torch.no_grad():
            out = model(input_ids=ids, output_hidden_states=True, output_attentions=True)
            half = with_parameters_in(model, torch.bfloat16)(input_ids=ids).logits.float()
            texts = generated(model, SEED + number)
        expected = {"input_ids": ids.int(), "hidden_states": torch.stack(out.hidden_states), "logits": out.logits,
                    "attentions": torch.stack(out.attentions)}
        folder = GOLDEN / name
        save(expected, folder / "expected.safetensors", generated=json.dumps(texts),
             bf16_error=json.dumps((half - out.logits).abs().max().item()))
        written = json.loads(config.to_json_string())
        written = as_before(written) if before else written
        (folder / "config.json").write_text(json.dumps(written, indent=2) + "\n")
        weights = {n: p.detach().clone() for n, p in stored.named_parameters()}
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def gradient_goldens():
    torch.manual_seed(SEED)
    fields = sizes(4, 2, 24, 2, 40) | {"vocab_size": 31, "pad_token_id": None}  # a padding row would get no gradient
    config = transformers.LlamaConfig(**fields, architectures=["LlamaForCausalLM"])
    config._attn_implementation = "eager"
    model = scramble(transformers.LlamaForCausalLM(config))
    ids = torch.randint(0, 31, (6, 16))
    write_gradients(model, json.loads(config.to_json_string()), "gradients_llama",
                    lambda m, x: m(input_ids=x).logits, [ids, random_targets(ids.shape, 31)], {"input_ids": ids})


def main():
    torch.set_num_threads(1)
    decoder_goldens()
    gradient_goldens()


if __name__ == "__main__":
    main()
