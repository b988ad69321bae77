"""Checkpoints of published shapes with random weights, f32: to be fast or slow needs no training.

    python bench/random_models.py NAME FOLDER

Shapes are those of bert-base-uncased, roberta-base, distilbert-base-uncased, MiniLM-L6 with 77 classes, t5-small, t5-base, bart-base,
gpt2 (gpt2-124m) and TinyLlama (llama-1.1b, in bf16), vocabularies included; the weights are transformers' own
initialisation by a seed. The two decoders get a byte-level tokenizer whose tokens beyond the bytes are pairs
of them, because a GGUF file wants one.
"""
import json
import os
import shutil
import sys

SHAPES = {  # name: configuration, model, what differs from the configuration's defaults
    "bert-base": ("BertConfig", "BertModel", {}),
    "roberta-base": ("RobertaConfig", "RobertaModel",
                     {"vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1,
                      "layer_norm_eps": 1e-5}),
    "distilbert": ("DistilBertConfig", "DistilBertModel", {}),
    "minilm-classifier": ("BertConfig", "BertForSequenceClassification",
                          {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12,
                           "intermediate_size": 1536, "num_labels": 77, "hidden_dropout_prob": 0.0,
                           "attention_probs_dropout_prob": 0.0}),
    "t5-small": ("T5Config", "T5ForConditionalGeneration", {"decoder_start_token_id": 0}),
    "t5-base": ("T5Config", "T5ForConditionalGeneration",
                {"d_model": 768, "d_ff": 3072, "num_layers": 12, "num_heads": 12,
                 "decoder_start_token_id": 0}),
    "bart-base": ("BartConfig", "BartForConditionalGeneration",
                  {"d_model": 768, "encoder_layers": 6, "decoder_layers": 6,
                   "encoder_attention_heads": 12, "decoder_attention_heads": 12,
                   "encoder_ffn_dim": 3072, "decoder_ffn_dim": 3072, "max_position_embeddings": 1024}),
    "gpt2-124m": ("GPT2Config", "GPT2LMHeadModel", {"bos_token_id": 0, "eos_token_id": 0}),
    "llama-1.1b": ("LlamaConfig", "LlamaForCausalLM",
                   {"hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 22,
                    "num_attention_heads": 32, "num_key_value_heads": 4, "vocab_size": 32000,
                    "max_position_embeddings": 2048, "bos_token_id": 0, "eos_token_id": 0}),
}
DECODERS = ("gpt2-124m", "llama-1.1b")
SEED = 7


def byte_letters():
    """GPT-2's: a printable character for each byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return [chr(c) for c in plain] + [chr(256 + i) for i in range(len(others))]


def tokenizer(size):
    letters = byte_letters()
    merges = [(a, b) for a in letters for b in letters][:size - 257]
    tokens = ["<|endoftext|>", *letters, *(a + b for a, b in merges)]
    return {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [{"id": 0, "content": tokens[0], "single_word": False, "lstrip": False, "rstrip": False,
                              "normalized": False, "special": True}],
            "normalizer": None,
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
            "post_processor": None,
            "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                      "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
                      "vocab": {token: i for i, token in enumerate(tokens)},
                      "merges": [f"{a} {b}" for a, b in merges]}}


def make(name, folder):
    import torch
    import transformers

    config_class, model_class, sizes = SHAPES[name]
    torch.manual_seed(SEED)
    config = getattr(transformers, config_class)(**sizes)
    model = getattr(transformers, model_class)(config).eval()
    if name.startswith("bart"):
        # as initialised, all words are about as likely, and which is the likeliest is up to rounding
        with torch.no_grad():
            model.model.shared.weight *= 5
    if name in DECODERS:
        model.to(torch.bfloat16).save_pretrained(folder)
        with open(os.path.join(folder, "tokenizer.json"), "w", encoding="utf-8") as file:
            json.dump(tokenizer(config.vocab_size), file, ensure_ascii=False)
        return
    if model.can_generate():
        fields = ("decoder_start_token_id", "bos_token_id", "eos_token_id", "pad_token_id")
        model.generation_config = transformers.GenerationConfig(
            **{field: getattr(config, field) for field in fields if hasattr(config, field)})
    model.save_pretrained(folder)


def folder_of(model, work):
    """A folder as it is; of a shape's name the folder below `work` that is made where it is not there."""
    if model not in SHAPES:
        return model
    folder = os.path.join(work, model)
    if not os.path.exists(folder):
        shutil.rmtree(folder + ".part", ignore_errors=True)
        make(model, folder + ".part")
        os.rename(folder + ".part", folder)
    return folder


if __name__ == "__main__":
    make(*sys.argv[1:])
