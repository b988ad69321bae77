"""Checkpoints of published shapes with random weights, f32: to be fast or slow needs no training.

Shapes are those of bert-base-uncased, roberta-base, distilbert-base-uncased, t5-small, t5-base and
bart-base, vocabularies included; the weights are transformers' own initialisation by a seed.
"""
import os
import shutil

SHAPES = {  # name: configuration, model, what differs from the configuration's defaults
    "bert-base": ("BertConfig", "BertModel", {}),
    "roberta-base": ("RobertaConfig", "RobertaModel",
                     {"vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1,
                      "layer_norm_eps": 1e-5}),
    "distilbert": ("DistilBertConfig", "DistilBertModel", {}),
    "t5-small": ("T5Config", "T5ForConditionalGeneration", {"decoder_start_token_id": 0}),
    "t5-base": ("T5Config", "T5ForConditionalGeneration",
                {"d_model": 768, "d_ff": 3072, "num_layers": 12, "num_heads": 12,
                 "decoder_start_token_id": 0}),
    "bart-base": ("BartConfig", "BartForConditionalGeneration",
                  {"d_model": 768, "encoder_layers": 6, "decoder_layers": 6,
                   "encoder_attention_heads": 12, "decoder_attention_heads": 12,
                   "encoder_ffn_dim": 3072, "decoder_ffn_dim": 3072, "max_position_embeddings": 1024}),
}
SEED = 7


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
