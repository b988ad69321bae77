"""Writes what transformers' configuration classes take for fields that a config.json leaves out.

    python tools/make_config_goldens.py

Needs torch, transformers. Writes tests/golden/config_defaults.json: for each case a config.json of little more than sizes
("config"), the activation and numbers by config.json's names that its class makes of it ("activation", "numbers": null is
-1), and, once a model type, the class's rates of dropout ("dropout").
"""

import json

import torch
import transformers
from make_goldens import GOLDEN, VERSIONS
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

ENCODER = {"vocab_size": 97, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 31,
           "max_position_embeddings": 48}
DECODER = {"vocab_size": 97, "hidden_size": 256, "num_hidden_layers": 2, "num_attention_heads": 64,
           "intermediate_size": 31, "max_position_embeddings": 8192}
PAIR = {"vocab_size": 59000, "d_model": 24, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4,
        "decoder_attention_heads": 4, "encoder_ffn_dim": 31, "decoder_ffn_dim": 31}
T5 = {"vocab_size": 97, "d_model": 24, "d_kv": 6, "num_heads": 4, "num_layers": 3, "d_ff": 31}
GPT2 = {"vocab_size": 97, "n_embd": 24, "n_layer": 2, "n_head": 4, "n_positions": 48}
DISTILBERT = {"vocab_size": 97, "dim": 24, "n_layers": 2, "n_heads": 4, "hidden_dim": 31, "max_position_embeddings": 48}
LONG = {"type": "longrope", "short_factor": [1.0, 2.0], "long_factor": [3.0, 4.0]}

CASES = [
    ("albert", ENCODER), ("bert", ENCODER), ("camembert", ENCODER), ("distilbert", DISTILBERT), ("electra", ENCODER),
    ("roberta", ENCODER), ("xlm-roberta", ENCODER), ("bert", ENCODER | {"pad_token_id": None}), ("gpt2", GPT2),
    ("llama", DECODER), ("mistral", DECODER), ("phi3", DECODER), ("qwen2", DECODER), ("qwen3", DECODER),
    ("mistral", DECODER | {"sliding_window": None}),
    ("qwen2", DECODER | {"num_key_value_heads": None, "use_sliding_window": True, "max_window_layers": 0}),
    ("qwen3", DECODER | {"use_sliding_window": True}),
    ("llama", DECODER | {"rope_theta": 50.0, "rope_scaling": {"type": "linear", "factor": 2.0},
                         "rope_parameters": {"rope_type": "default", "rope_theta": 70.0}}),
    ("llama", DECODER | {"rope_scaling": {}, "rope_parameters": {"rope_type": "default", "rope_theta": 70.0}}),
    ("phi3", DECODER | {"rope_scaling": LONG | {"original_max_position_embeddings": 2048}}),
    ("phi3", DECODER | {"rope_scaling": LONG | {"type": "yarn"}, "original_max_position_embeddings": 2048}),
    ("t5", T5), ("t5", T5 | {"tie_word_embeddings": False}), ("mt5", T5),
    ("bart", PAIR), ("mbart", PAIR), ("marian", PAIR), ("pegasus", PAIR), ("bart", PAIR | {"pad_token_id": None}),
]
FIELDS = {
    "encoder": ["layer_norm_eps", "type_vocab_size", "pad_token_id"],
    "gpt2": ["layer_norm_epsilon", "scale_attn_weights", "scale_attn_by_inverse_layer_idx", "tie_word_embeddings"],
    "decoder": ["rms_norm_eps", "tie_word_embeddings", "num_key_value_heads", "pad_token_id"],
    "pair": ["max_position_embeddings", "scale_embedding", "tie_word_embeddings", "pad_token_id"],
    "t5": ["layer_norm_epsilon", "relative_attention_num_buckets", "relative_attention_max_distance",
           "num_decoder_layers"],
}
ENCODERS = ["albert", "bert", "camembert", "distilbert", "electra", "roberta", "xlm-roberta"]
DECODERS = ["llama", "mistral", "phi3", "qwen2", "qwen3"]
RATES = ["hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout_prob", "dropout", "attention_dropout",
         "seq_classif_dropout", "embd_pdrop", "attn_pdrop", "resid_pdrop", "dropout_rate", "activation_dropout"]


def kind_of(model_type):
    if model_type in ENCODERS:
        return "encoder"
    return "decoder" if model_type in DECODERS else model_type if model_type == "gpt2" else (
        "t5" if model_type in ("t5", "mt5") else "pair")


def decoder_numbers(config):
    parameters = config.rope_parameters
    scaled = parameters["rope_type"] != "default"
    amplitude = ROPE_INIT_FUNCTIONS[parameters["rope_type"]](config, torch.device("cpu"))[1] if scaled else 1.0
    windowed = "layer_types" not in config or "sliding_attention" in config.layer_types
    return {"head_dim": getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads,
            "attention_bias": getattr(config, "attention_bias", False), "mlp_bias": getattr(config, "mlp_bias", False),
            "sliding_window": (getattr(config, "sliding_window", None) or 0) if windowed else 0,
            "rope_theta": parameters["rope_theta"], "amplitude": amplitude}


def numbers_of(kind, config):
    fields = [name for name in FIELDS[kind] if hasattr(config, name)]
    found = {name: getattr(config, name) for name in fields}
    if kind == "encoder":
        found["embedding_size"] = getattr(config, "embedding_size", config.hidden_size)
    if kind == "gpt2":
        found["n_inner"] = config.n_inner or 4 * config.n_embd
    if kind == "decoder":
        found |= decoder_numbers(config)
    if kind == "t5":
        found["gated"] = config.is_gated_act
        found["scaled"] = config.model_type == "t5" and config.scale_decoder_outputs
    return {name: -1 if value is None else float(value) for name, value in found.items()}


def activation_of(config):
    for name in ("hidden_act", "activation_function", "dense_act_fn", "activation"):
        if hasattr(config, name):
            return getattr(config, name)


def case_of(model_type, said):
    config = transformers.CONFIG_MAPPING[model_type](**json.loads(json.dumps(said)))
    case = {"model_type": model_type, "config": {"model_type": model_type} | said, "activation": activation_of(config),
            "numbers": numbers_of(kind_of(model_type), config)}
    if set(said) <= set(ENCODER | DECODER | PAIR | T5 | GPT2 | DISTILBERT):
        case["dropout"] = {name: getattr(config, name) for name in RATES if hasattr(config, name)}
    return case


def main():
    cases = [case_of(model_type, said) for model_type, said in CASES]
    lines = ",\n".join(json.dumps(case) for case in cases)
    (GOLDEN / "config_defaults.json").write_text(
        '{"versions": ' + json.dumps(VERSIONS) + ',\n"cases": [\n' + lines + "\n]}\n")


if __name__ == "__main__":
    main()
