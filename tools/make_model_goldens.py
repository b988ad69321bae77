"""Writes what transformers and PyTorch compute with small random decoders, for the tests of models and generate.

    python tools/make_model_goldens.py

Needs torch, transformers, safetensors. Writes to tests/golden:
  gpt2_*/          random GPT-2s of odd shapes as checkpoint folders, with expected.safetensors; its metadata hold
                   what generate() writes, greedily and with beams
  transformer_*/   random nn.Transformers with embeddings, as checkpoint folders, with expected.safetensors
  recurrent_*/     random encoder-decoders of nn.LSTM and nn.GRU, without and with additive attention, likewise
  gradients_*/     one of each kind as checkpoint folders; expected.safetensors holds a batch, the gradients
                   of its loss by PyTorch in f64, and in its metadata how far PyTorch's own f32 gradients are from them
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
        source, padding, target = pair_batch(config, lengths, 5)
        with torch.no_grad():
            memory, states, logits = model(source, padding, target)
        write_folder(model, config, name)
        save({"source": source.int(), "lengths": torch.tensor(lengths).int(), "target": target.int(),
              "memory": memory * ~padding[:, :, None], "states": states, "logits": logits},
             GOLDEN / name / "expected.safetensors")


# ---- recurrent models ------------------------------------------------------------------------------------------------


class Recurrent(nn.Module):
    """Sutskever et al., 2014: the decoder begins with the encoder's final state. With attention (Bahdanau et al., 2015)
    each of its steps also reads the encoder's states, weighted by v . tanh(W s + U h)."""

    def __init__(self, config):
        super().__init__()
        width, cell = config["d_model"], {"lstm": nn.LSTM, "gru": nn.GRU}[config["cell"]]
        self.shared, self.tied, self.attends = (
            config[k] for k in ("share_embeddings", "tie_word_embeddings", "attention"))
        if self.shared:
            self.embeddings = nn.Embedding(config["vocab_size"], width)
        else:
            self.source_embeddings = nn.Embedding(config["vocab_size"], width)
            self.target_embeddings = nn.Embedding(config["target_vocab_size"], width)
        self.encoder = cell(width, width, config["num_layers"], batch_first=True)
        self.decoder = cell(2 * width if self.attends else width, width, config["num_layers"], batch_first=True)
        if self.attends:
            self.attention = nn.ModuleDict({
                "query": nn.Linear(width, width, bias=False), "key": nn.Linear(width, width, bias=False),
                "score": nn.Linear(width, 1, bias=False)})
        if not self.tied:
            self.output = nn.Linear(width, config["target_vocab_size"], bias=False)

    def forward(self, source, padding, target):
        tables = [self.embeddings] * 2 if self.shared else [self.source_embeddings, self.target_embeddings]
        lengths = (~padding).sum(1)
        packed = nn.utils.rnn.pack_padded_sequence(tables[0](source), lengths, batch_first=True, enforce_sorted=False)
        memory, state = self.encoder(packed)
        memory, _ = nn.utils.rnn.pad_packed_sequence(memory, batch_first=True, total_length=source.shape[1])
        x = tables[1](target)
        states = self.attend(x, memory, padding, state) if self.attends else self.decoder(x, state)[0]
        weight = tables[1].weight if self.tied else self.output.weight
        return memory, states, states @ weight.T

    def attend(self, x, memory, padding, state):
        keys, states = self.attention["key"](memory), []
        for step in range(x.shape[1]):
            top = (state[0] if isinstance(state, tuple) else state)[-1]
            scores = self.attention["score"](torch.tanh(self.attention["query"](top)[:, None] + keys))[..., 0]
            weights = scores.masked_fill(padding, -math.inf).softmax(dim=1)
            context = (weights[:, None] @ memory)[:, 0]
            y, state = self.decoder(torch.cat([x[:, step], context], dim=1)[:, None], state)
            states.append(y)
        return torch.cat(states, dim=1)


def recurrent_config(cell, attention, width, layers, shared, tied):
    return {"model_type": "recurrent", "cell": cell, "attention": attention, "d_model": width, "num_layers": layers,
            "vocab_size": VOCAB, "target_vocab_size": VOCAB if shared else 19, "share_embeddings": shared,
            "tie_word_embeddings": tied, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}


RECURRENTS = {
    "recurrent_lstm": recurrent_config("lstm", False, 10, 2, True, True),
    "recurrent_gru": recurrent_config("gru", False, 7, 1, False, False),
    "recurrent_lstm_attention": recurrent_config("lstm", True, 9, 1, False, True),
    "recurrent_gru_attention": recurrent_config("gru", True, 12, 2, True, False),
}


def pair_batch(config, lengths, tokens):
    longest = max(lengths)
    padding = torch.arange(longest)[None, :] >= torch.tensor(lengths)[:, None]
    source = torch.randint(0, config["vocab_size"], padding.shape) * ~padding
    return source, padding, torch.randint(0, config["target_vocab_size"], (len(lengths), tokens))


def recurrent_goldens():
    for number, (name, config) in enumerate(RECURRENTS.items()):
        torch.manual_seed(SEED + number)
        model = scramble(Recurrent(config))
        lengths = [7, 9, 1]
        source, padding, target = pair_batch(config, lengths, 5)
        with torch.no_grad():
            memory, states, logits = model(source, padding, target)
        write_folder(model, config, name)
        save({"source": source.int(), "lengths": torch.tensor(lengths).int(), "target": target.int(),
              "memory": memory, "states": states, "logits": logits}, GOLDEN / name / "expected.safetensors")


# ---- gradients -------------------------------------------------------------------------------------------------------


def write_folder(model, config, name):
    folder = GOLDEN / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    save_file({n: p.detach().clone() for n, p in model.named_parameters()}, folder / "model.safetensors")


def gradients(model, dtype, logits_of, batch, order):
    """Of the mean cross-entropy, with the batch's rows in that order."""
    model.to(dtype).zero_grad()
    rows = [x[order] for x in batch]
    logits = logits_of(model, *rows[:-1])
    nn.functional.cross_entropy(logits.flatten(0, 1), rows[-1].flatten(), ignore_index=-100).backward()
    return {n: p.grad.double().clone() for n, p in model.named_parameters() if p.grad is not None}


def write_gradients(model, config, name, logits_of, batch, inputs):
    """PyTorch's own error is the largest of 5 orders of the rows, which are 5 orders of summing."""
    write_folder(model, config, name)
    rows = len(batch[-1])
    exact = gradients(model, torch.float64, logits_of, batch, torch.arange(rows))
    errors = dict.fromkeys(exact, 0.0)
    for order in [torch.arange(rows)] + [torch.randperm(rows) for _ in range(4)]:
        for n, g in gradients(model, torch.float32, logits_of, batch, order).items():
            errors[n] = max(errors[n], ((g - exact[n]).norm() / exact[n].norm()).item())
    tensors = {f"gradient.{n}": g.float() for n, g in exact.items()}
    save({**tensors, **{n: x.int() for n, x in inputs.items()}, "targets": batch[-1].int()},
         GOLDEN / name / "expected.safetensors", errors=json.dumps(errors))


def random_targets(shape, classes):
    """Some places have none."""
    targets = torch.randint(0, classes, shape)
    targets[torch.rand(shape) < 0.2] = -100
    return targets


def causal_gradients():
    config = transformers.GPT2Config(
        vocab_size=31, n_positions=16, n_embd=24, n_layer=2, n_head=2, activation_function="gelu_new", resid_pdrop=0,
        embd_pdrop=0, attn_pdrop=0, architectures=["GPT2LMHeadModel"])
    config._attn_implementation = "eager"
    model = scramble(transformers.GPT2LMHeadModel(config))
    ids = torch.randint(0, 31, (6, 16))
    write_gradients(model, config.to_diff_dict() | {"model_type": "gpt2"}, "gradients_gpt2",
                    lambda m, x: m(input_ids=x).logits, [ids, random_targets(ids.shape, 31)], {"input_ids": ids})


def pair_gradients(model, config, name):
    lengths = [9, 4, 12, 1, 7, 12]
    source, padding, target = pair_batch(config, lengths, 10)
    targets = random_targets(target.shape, config["target_vocab_size"])
    write_gradients(scramble(model), config, name, lambda m, s, p, t: m(s, p, t)[2],
                    [source, padding, target, targets],
                    {"source": source, "lengths": torch.tensor(lengths), "target": target})


def gradient_goldens():
    torch.manual_seed(SEED)
    causal_gradients()
    model, config = make_transformer((2, 12, (2, 2), 40, {"dropout": 0.0}, False, True, True))
    pair_gradients(model, config, "gradients_transformer")
    for cell, attention in (("lstm", False), ("gru", False), ("lstm", True)):
        config = recurrent_config(cell, attention, 20, 1, True, False)
        pair_gradients(Recurrent(config), config, f"gradients_{cell}{'_attention' if attention else ''}")


def main():
    torch.set_num_threads(1)
    torch.backends.mha.set_fastpath_enabled(False)  # the plain path: the documented formula
    gpt2_goldens()
    transformer_goldens()
    recurrent_goldens()
    gradient_goldens()


if __name__ == "__main__":
    main()
