"""Writes what transformers and PyTorch compute with small random decoders, for the tests of models and generate.

    python tools/make_model_goldens.py

Needs torch, transformers, safetensors. Writes to tests/golden:
  gpt2_*/          random GPT-2s of odd shapes as checkpoint folders, with expected.safetensors; its metadata hold
                   what generate() writes, greedily and with beams
  transformer_*/   random nn.Transformers with embeddings, as checkpoint folders, with expected.safetensors
Everything is drawn from SEED on one thread; versions are recorded in every file.
"""

import json
import math
import random

import torch
import transformers
from make_goldens import GOLDEN, SEED, save, scramble, sinusoid
from safetensors.torch import save_file
from torch import nn

GPT2S = {
    # heads, head_dim, layers, inner, activation, further options, with "transformer.", dtype
    "gpt2_2x5": (2, 5, 2, None, "gelu_new", {}, True, torch.float32),
    "gpt2_3x8": (3, 8, 3, 20, "relu", {"scale_attn_by_inverse_layer_idx": True, "tie_word_embeddings": False}, True,
                 torch.float16),
    "gpt2_1x16": (1, 16, 2, 33, "gelu", {"scale_attn_weights": False}, False, torch.bfloat16),
}
TOKENS, POSITIONS, VOCAB = 11, 24, 23


def generated(model, seed):
    """What generate() writes after random prompts: greedily, then with beams and every choice they have."""
    draw = random.Random(seed)
    cases = []
    choices = [(1, 1.0, False)] * 3
    choices += [(beams, penalty, early) for beams in (2, 3, 5) for penalty in (1.0, 0.0, 2.0, -0.5)
                for early in (False, True, "never")]
    for beams, penalty, early in choices:
        prompt = [draw.randrange(VOCAB - 1) for _ in range(draw.randint(1, 6))]
        case = {"prompt": prompt, "beams": beams, "length_penalty": penalty, "early_stopping": early,
                "max_new_tokens": draw.randint(3, POSITIONS - len(prompt)),
                "end": draw.choice([[22], [22, 3], [22, 3, 7]])}
        options = {} if beams == 1 else {"length_penalty": penalty, "early_stopping": early}
        out = model.generate(
            torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt)), do_sample=False, num_beams=beams,
            max_new_tokens=case["max_new_tokens"], eos_token_id=case["end"], pad_token_id=0, return_dict_in_generate=True,
            output_scores=True, **options,
        )
        case["ids"] = out.sequences[0, len(prompt):].tolist()
        if beams > 1:
            case["score"] = out.sequences_scores[0].item()
        cases.append(case)
    return cases


def gpt2_goldens():
    for number, (name, spec) in enumerate(GPT2S.items()):
        heads, head_dim, layers, inner, activation, further, prefix, dtype = spec
        torch.manual_seed(SEED + number)
        config = transformers.GPT2Config(
            vocab_size=VOCAB, n_positions=POSITIONS, n_embd=heads * head_dim, n_layer=layers, n_head=heads, n_inner=inner,
            activation_function=activation, bos_token_id=22, eos_token_id=22, layer_norm_epsilon=1e-5,
            architectures=["GPT2LMHeadModel" if prefix else "GPT2Model"], **further,
        )
        config._attn_implementation = "eager"
        model = transformers.GPT2LMHeadModel(config)
        scramble(model)
        model.to(dtype).to(torch.float32)  # the stored values are what is computed with
        ids = torch.randint(0, VOCAB, (3, TOKENS))
        with torch.no_grad():
            out = model(input_ids=ids, output_hidden_states=True, output_attentions=True)
        folder = GOLDEN / name
        expected = {"input_ids": ids.int(), "hidden_states": torch.stack(out.hidden_states), "logits": out.logits,
                    "attentions": torch.stack(out.attentions)}
        save(expected, folder / "expected.safetensors", generated=json.dumps(generated(model, SEED + number)))
        (folder / "config.json").write_text(config.to_json_string())
        source = model if prefix else model.transformer
        weights = {n: p.to(dtype).clone() for n, p in source.named_parameters()}
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


# ---- the 2017 Transformer ------------------------------------------------------------------------------------------

TRANSFORMERS = {
    # heads, head_dim, (encoder, decoder) layers, feed-forward, further arguments, final norm, shared, tied
    "transformer_2x6": (2, 6, (2, 1), 20, {}, False, True, True),
    "transformer_3x7": (3, 7, (1, 3), 30, {"activation": "gelu"}, True, False, False),
    "transformer_1x12": (1, 12, (2, 2), 17, {"norm_first": True, "bias": False}, True, False, True),
}


class Translator(nn.Module):
    """nn.Transformer between embeddings and output, by the paper's 3.4 and 3.5."""

    def __init__(self, transformer, vocabs, shared, tied):
        super().__init__()
        self.transformer = transformer
        width = transformer.d_model
        if shared:
            self.embeddings = nn.Embedding(vocabs[0], width)
        else:
            self.source_embeddings = nn.Embedding(vocabs[0], width)
            self.target_embeddings = nn.Embedding(vocabs[1], width)
        if not tied:
            self.output = nn.Linear(width, vocabs[1], bias=False)

    def embed(self, side, ids):
        table = getattr(self, "embeddings", None) or getattr(self, f"{side}_embeddings")
        x = table(ids) * math.sqrt(self.transformer.d_model)
        return x + sinusoid(ids.shape[1], self.transformer.d_model).to(x.dtype)

    def forward(self, source, padding, target):
        causal = torch.ones(target.shape[1], target.shape[1], dtype=torch.bool).triu(1)
        memory = self.transformer.encoder(self.embed("source", source), src_key_padding_mask=padding)
        states = self.transformer.decoder(self.embed("target", target), memory, tgt_mask=causal, tgt_is_causal=True,
                                          memory_key_padding_mask=padding)
        table = getattr(self, "embeddings", None) or getattr(self, "target_embeddings", None)
        weight = self.output.weight if hasattr(self, "output") else table.weight
        return memory, states, states @ weight.T


def make_transformer(spec):
    """The module of a line of TRANSFORMERS and the config.json of a folder with its weights."""
    heads, head_dim, (encoders, decoders), feed_forward, further, final_norm, shared, tied = spec
    sizes = {"d_model": heads * head_dim, "nhead": heads, "num_encoder_layers": encoders,
             "num_decoder_layers": decoders, "dim_feedforward": feed_forward, **further}
    stack = nn.Transformer(**sizes, batch_first=True)
    if not final_norm:
        stack.encoder.norm = stack.decoder.norm = None
    vocabs = (VOCAB, VOCAB) if shared else (VOCAB, 19)
    model = Translator(stack, vocabs, shared, tied)
    config = {"model_type": "transformer2017", "vocab_size": vocabs[0], "target_vocab_size": vocabs[1], **sizes,
              "max_position_embeddings": POSITIONS, "final_norm": final_norm, "share_embeddings": shared,
              "tie_word_embeddings": tied, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    return model, config


def transformer_goldens():
    for number, (name, spec) in enumerate(TRANSFORMERS.items()):
        torch.manual_seed(SEED + number)
        model, config = make_transformer(spec)
        scramble(model)
        lengths = [7, 9, 1]
        padding = torch.arange(9)[None, :] >= torch.tensor(lengths)[:, None]
        source = torch.randint(0, config["vocab_size"], padding.shape) * ~padding
        target = torch.randint(0, config["target_vocab_size"], (3, 5))
        with torch.no_grad():
            memory, states, logits = model(source, padding, target)
        folder = GOLDEN / name
        save({"source": source.int(), "lengths": torch.tensor(lengths).int(), "target": target.int(),
              "memory": memory * ~padding[:, :, None], "states": states, "logits": logits},
             folder / "expected.safetensors")
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        save_file({n: p.detach().clone() for n, p in model.named_parameters()}, folder / "model.safetensors")


def main():
    torch.set_num_threads(1)
    torch.backends.mha.set_fastpath_enabled(False)  # the plain path: the documented formula
    gpt2_goldens()
    transformer_goldens()


if __name__ == "__main__":
    main()
