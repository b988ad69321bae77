"""Writes what transformers and PyTorch compute with small random decoders, for the tests of models and generate.

    python tools/make_model_goldens.py

Needs torch, transformers, safetensors. Writes to tests/golden:
  gpt2_*/    random GPT-2s of odd shapes as checkpoint folders, with expected.safetensors
Everything is drawn from SEED on one thread; versions are recorded in every file.
"""

import torch
import transformers
from make_goldens import GOLDEN, SEED, save, scramble
from safetensors.torch import save_file

GPT2S = {
    # heads, head_dim, layers, inner, activation, further options, with "transformer.", dtype
    "gpt2_2x5": (2, 5, 2, None, "gelu_new", {}, True, torch.float32),
    "gpt2_3x8": (3, 8, 3, 20, "relu", {"scale_attn_by_inverse_layer_idx": True, "tie_word_embeddings": False}, True,
                 torch.float16),
    "gpt2_1x16": (1, 16, 2, 33, "gelu", {"scale_attn_weights": False}, False, torch.bfloat16),
}
TOKENS = 11


def gpt2_goldens():
    for number, (name, spec) in enumerate(GPT2S.items()):
        heads, head_dim, layers, inner, activation, further, prefix, dtype = spec
        torch.manual_seed(SEED + number)
        config = transformers.GPT2Config(
            vocab_size=23, n_positions=TOKENS, n_embd=heads * head_dim, n_layer=layers, n_head=heads, n_inner=inner,
            activation_function=activation, bos_token_id=22, eos_token_id=22, layer_norm_epsilon=1e-5,
            architectures=["GPT2LMHeadModel" if prefix else "GPT2Model"], **further,
        )
        config._attn_implementation = "eager"
        model = transformers.GPT2LMHeadModel(config)
        scramble(model)
        model.to(dtype).to(torch.float32)  # the stored values are what is computed with
        ids = torch.randint(0, 23, (3, TOKENS))
        with torch.no_grad():
            out = model(input_ids=ids, output_hidden_states=True, output_attentions=True)
        folder = GOLDEN / name
        expected = {"input_ids": ids.int(), "hidden_states": torch.stack(out.hidden_states), "logits": out.logits,
                    "attentions": torch.stack(out.attentions)}
        save(expected, folder / "expected.safetensors")
        (folder / "config.json").write_text(config.to_json_string())
        source = model if prefix else model.transformer
        weights = {n: p.to(dtype).clone() for n, p in source.named_parameters()}
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def main():
    torch.set_num_threads(1)
    gpt2_goldens()


if __name__ == "__main__":
    main()
