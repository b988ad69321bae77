"""Writes what transformers computes with small random encoders and their heads, for the tests of models and tasks.

    python tools/make_encoder_goldens.py

Needs torch, transformers, tokenizers, safetensors. Writes to tests/golden:
  encoder_FAMILY_TASK/   random checkpoints of odd shapes as folders (weights in bf16), with expected.safetensors
  pipelines.json         texts and what transformers' pipelines answer with some of those folders, which hold
                         tokenizers too
Everything is drawn from SEED on one thread; versions are recorded in every file.
"""

import json
import math

import numpy
import torch
import transformers
from make_goldens import GOLDEN, SEED, VERSIONS, save, scramble
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers.pipelines.document_question_answering import select_starts_ends

LABELS = ["O", "B-person", "I-person", "B-place", "I-place", "thing"]
LETTERS = "abcdefghij"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", ",", "-", "?"] + list(LETTERS) + ["##" + c for c in LETTERS]
WORDS += ["bad", "cab", "##ed", "##ice", "fig", "jade", "##ch"]
POSITIONS = 37
TYPES = ["classify", "tag", "answer", "choose", "fill", "pretrain"]

FAMILIES = {
    # class prefix, config class, its options, tasks
    "bert": ("Bert", transformers.BertConfig, {"layer_norm_eps": 1e-6, "hidden_act": "gelu"}, TYPES + ["next"]),
    "roberta": ("Roberta", transformers.RobertaConfig,
                {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "type_vocab_size": 1, "layer_norm_eps": 1e-5},
                TYPES[:-1]),
    "distilbert": ("DistilBert", transformers.DistilBertConfig, {"activation": "relu"}, TYPES[:-1]),
    "electra": ("Electra", transformers.ElectraConfig, {"embedding_size": 10, "hidden_act": "gelu_new"}, TYPES),
    "albert": ("Albert", transformers.AlbertConfig, {"embedding_size": 9, "hidden_act": "gelu_new"}, TYPES),
    # RoBERTa again, for pipelines with pieces of Unigram
    "xlmr": ("XLMRoberta", transformers.XLMRobertaConfig,
             {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "type_vocab_size": 1, "layer_norm_eps": 1e-5},
             ["tag", "answer", "fill"]),
}
ROBERTAS = ("roberta", "xlmr")  # positions from the padding's id, no types of tokens
CLASSES = {"classify": "ForSequenceClassification", "tag": "ForTokenClassification", "answer": "ForQuestionAnswering",
           "choose": "ForMultipleChoice", "fill": "ForMaskedLM", "pretrain": "ForPreTraining",
           "next": "ForNextSentencePrediction"}


def config_of(family, task, vocab):
    _, make, options, _ = FAMILIES[family]
    layers = 2 if task == "fill" else 1
    if family == "distilbert":
        sizes = {"dim": 12, "n_layers": layers, "n_heads": 3, "hidden_dim": 17}
    else:
        sizes = {"hidden_size": 12, "num_hidden_layers": layers, "num_attention_heads": 3, "intermediate_size": 17}
    if family == "albert" and task == "fill":
        sizes |= {"num_hidden_layers": 4, "num_hidden_groups": 2}
    labels = {"classify": [f"kind {i}" for i in range(4)], "tag": LABELS}.get(task)
    named = {} if labels is None else {"id2label": dict(enumerate(labels)), "label2id": {n: i for i, n in enumerate(labels)}}
    return make(vocab_size=vocab, max_position_embeddings=POSITIONS, **(sizes | options | named),
                attn_implementation="eager")


def rounded(model):
    """bf16 weights that the files hold, computed with in f32."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.bfloat16().float())
    return model


def make_model(family, task, vocab, seed):
    torch.manual_seed(seed)
    cls = getattr(transformers, FAMILIES[family][0] + CLASSES[task])
    config = config_of(family, task, vocab)
    if task == "fill" and family == "distilbert":
        config.tie_word_embeddings = False
    return rounded(scramble(cls(config)))


def write_model(model, folder):
    folder.mkdir(parents=True, exist_ok=True)
    config = model.config.to_diff_dict() | {"architectures": [type(model).__name__], "model_type": model.config.model_type}
    config.pop("_attn_implementation_internal", None)
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    seen, tensors = set(), {}
    named = sorted(model.named_parameters(remove_duplicate=False), key=lambda one: one[0].startswith("lm_head."))
    for name, parameter in named:  # tied ones once, under the encoder's name
        if parameter.data_ptr() not in seen:
            tensors[name] = parameter.detach().bfloat16().contiguous().clone()
            seen.add(parameter.data_ptr())
    save_file(tensors, folder / "model.safetensors", metadata=VERSIONS)


def batch_of(family, vocab):
    """Ragged rows without special meaning; RoBERTa's hold its padding's id inside a text."""
    rows = [torch.randint(3, vocab, (n,)).tolist() for n in (11, 3, 7)]
    if family in ROBERTAS:
        rows[2][3] = 1
    types = [[0] * (len(row) // 2) + [1] * (len(row) - len(row) // 2) for row in rows]
    return rows, types


def padded(rows, value, left=False):
    longest = max(map(len, rows))
    return torch.tensor([[value] * (longest - len(r)) * left + r + [value] * (longest - len(r)) * (not left) for r in rows])


def computed(model, family, rows, types, left=False):
    pad = model.config.pad_token_id or 0
    inputs = {"input_ids": padded(rows, pad, left), "attention_mask": padded([[1] * len(r) for r in rows], 0, left)}
    if family not in ("distilbert", *ROBERTAS):
        inputs["token_type_ids"] = padded(types, 0, left)
    if type(model).__name__.endswith("MultipleChoice"):
        inputs = {k: v.unsqueeze(0) for k, v in inputs.items()}
    with torch.no_grad():
        return model(**inputs, output_hidden_states=True, output_attentions=True)


def real(tensor, rows, left=False):
    """tensor [B, T, ...] with padded places 0 and the padding behind."""
    out = torch.zeros_like(tensor)
    for b, row in enumerate(rows):
        out[b, :len(row)] = tensor[b, -len(row):] if left else tensor[b, :len(row)]
    return out


def attention_of(attentions, rows):
    stacked = torch.stack(attentions).clone()  # [L, B, H, T, T]
    for b, row in enumerate(rows):
        stacked[:, b, :, len(row):] = 0
        stacked[:, b, :, :, len(row):] = 0
    return stacked


def model_goldens():
    vocabs = {family: len(WORDS) for family in FAMILIES} | {
        "roberta": bpe_tokenizer().get_vocab_size(), "xlmr": unigram_tokenizer().get_vocab_size()}
    for f, (family, (_, _, _, tasks)) in enumerate(FAMILIES.items()):
        for t, task in enumerate(tasks):
            model = make_model(family, task, vocabs[family], SEED + 20 * f + t)
            folder = GOLDEN / f"encoder_{family}_{task}"
            write_model(model, folder)
            rows, types = batch_of(family, vocabs[family])
            out = computed(model, family, rows, types)
            tensors = {"input_ids": padded(rows, 0).int(), "lengths": torch.tensor([len(r) for r in rows]).int()}
            if family not in ("distilbert", *ROBERTAS):
                tensors["token_type_ids"] = padded(types, 0).int()
            for name, value in out.items():
                if not name.endswith("logits"):
                    continue
                per_token = value.dim() >= 2 and value.shape[1] == len(rows[0])
                if task == "choose":
                    value = value.reshape(-1, 1)
                tensors[name] = real(value, rows) if per_token else value
            if task == "fill":
                tensors["hidden_states"] = torch.stack([real(h, rows) for h in out.hidden_states])
                tensors["attentions"] = attention_of(out.attentions, rows)
            if family == "roberta" and task == "fill":  # positions do not depend on the side of the padding
                left = computed(model, family, rows, types, left=True)
                torch.testing.assert_close(real(left.logits, rows, left=True), tensors["logits"], rtol=0, atol=1e-4)
            save(tensors, folder / "expected.safetensors")


# ---- pipelines -------------------------------------------------------------------------------------------------------

TEXTS = ["bad cab", "a", "abc.dice, fig-jade hij?", "cabbed  figice\tjadech", "x bad \u00e9 a cabice abc fig jade \U0001f600",
         "jade fig cab bad jadeed. bad fig abcdefg, hij cabed", "abab abab abab -- cab?"]
LONG = " ".join(["bad cab figice,", "jade abc. hij", "cabed badch fig - a", "dice? jadeed ij gh", "fig bad cabice"] * 4)


def word_piece_tokenizer():
    tokenizer = Tokenizer(models.WordPiece({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(WORDS[:5])
    return tokenizer


def bpe_tokenizer():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", AddedToken("<mask>", lstrip=True)]
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=special, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator([LONG] * 3 + TEXTS, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def unigram_tokenizer():
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    pieces = ["\u2581", *LETTERS, ".", ",", "-", "?", "\u2581bad", "\u2581a", "ed", "ice", "\u2581fig", "\u2581jade", "ch",
              "\u2581c", "ab"]
    vocab = [(name, 0.0) for name in special] + [(piece, -3 - 0.11 * i + len(piece)) for i, piece in enumerate(pieces)]
    tokenizer = Tokenizer(models.Unigram([*vocab, ("<mask>", 0.0)], unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens([*special, AddedToken("<mask>", lstrip=True)])
    return tokenizer


def tokenizer_of(family, **options):
    if family in ROBERTAS:
        return transformers.PreTrainedTokenizerFast(
            tokenizer_object=bpe_tokenizer() if family == "roberta" else unigram_tokenizer(), unk_token="<unk>",
            cls_token="<s>", sep_token="</s>", bos_token="<s>", eos_token="</s>", pad_token="<pad>",
            mask_token=AddedToken("<mask>", lstrip=True), model_input_names=["input_ids", "attention_mask"], **options)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=word_piece_tokenizer(), unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        pad_token="[PAD]", mask_token="[MASK]", model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **options)


def load(family, task, **options):
    folder = GOLDEN / f"encoder_{family}_{task}"
    cls = getattr(transformers, FAMILIES[family][0] + CLASSES[task])
    model = cls.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = tokenizer_of(family, **options)
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    return model, tokenizer


def plain(value):
    """Numbers and spans as JSON has them."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    value = value.item() if hasattr(value, "item") else value
    return round(value, 7) if isinstance(value, float) else value


def classify_cases(family):
    model, tokenizer = load(family, "classify")
    pipeline = transformers.TextClassificationPipeline(model=model, tokenizer=tokenizer)
    cases = []
    for problem in (None, "multi_label_classification", "regression"):
        model.config.problem_type = problem
        for apply in (None, "softmax", "sigmoid", "none"):
            for top in (1, 3, None) if apply is None else (None,):
                options = {} if apply is None else {"function_to_apply": apply}
                cases.append({"model": f"encoder_{family}_classify", "problem_type": problem, "function": apply,
                              "top_k": top, "texts": TEXTS, "answers": plain(pipeline(TEXTS, top_k=top, **options))})
    return cases


def pair_cases(family):
    """Some longer than the model reads: the longer text of a pair is cut."""
    model, tokenizer = load(family, "classify", model_max_length=POSITIONS - 2 * (family == "roberta"))
    pipeline = transformers.TextClassificationPipeline(model=model, tokenizer=tokenizer)
    pairs = [*zip(TEXTS, TEXTS[1:]), (LONG, TEXTS[5]), (TEXTS[5], LONG), (LONG, LONG)]
    rows = [{"text": first, "text_pair": second} for first, second in pairs if first and second]
    return [{"model": f"encoder_{family}_classify", "pairs": rows,
             "answers": plain([pipeline(row, top_k=None, truncation=True) for row in rows])}]


def tag_cases(family):
    model, tokenizer = load(family, "tag", model_max_length=POSITIONS - 2)
    pipeline = transformers.TokenClassificationPipeline(model=model, tokenizer=tokenizer)
    cases = []
    for how in ("none", "simple", "first", "average", "max"):
        cases.append({"model": f"encoder_{family}_tag", "aggregation": how, "texts": TEXTS,
                      "answers": plain(pipeline(TEXTS, aggregation_strategy=how))})
    for limit, stride in ((12, 3), (21, 0), (POSITIONS - 2, 10)):
        _, tokenizer = load(family, "tag", model_max_length=limit)
        pipeline = transformers.TokenClassificationPipeline(model=model, tokenizer=tokenizer)
        for how in ("simple", "first", "average", "max"):
            cases.append({"model": f"encoder_{family}_tag", "aggregation": how, "stride": stride, "max_tokens": limit,
                          "texts": [LONG, TEXTS[5]],
                          "answers": plain([pipeline(t, aggregation_strategy=how, stride=stride) for t in [LONG, TEXTS[5]]])})
    return cases


def fill_cases(family):
    model, tokenizer = load(family, "fill")
    pipeline = transformers.FillMaskPipeline(model=model, tokenizer=tokenizer)
    mask = tokenizer.mask_token
    texts = [t.replace("@", mask) for t in ("bad @ cab", "@", "a @ , bad @? fig", "jade @.", "fig@ cab @")]
    cases = []
    for top, targets in ((5, None), (1, None), (3, ["bad", "fig", "cab", "jade"]), (20, ["a", "dice", "a"])):
        options = {} if targets is None else {"targets": targets}
        cases.append({"model": f"encoder_{family}_fill", "top_k": top, "targets": targets, "texts": texts,
                      "answers": plain([pipeline(t, top_k=top, **options) for t in texts])})
    return cases


def answers_of(model, tokenizer, question, context, top_k, doc_stride, max_answer_len, max_seq_len, impossible, align):
    """transformers 4.57's QuestionAnsweringPipeline, which transformers 5 no longer has."""
    encoded = tokenizer(question, context, truncation="only_second", max_length=max_seq_len, stride=doc_stride,
                        return_overflowing_tokens=True)
    answers, null = [], 1000000
    for i, ids in enumerate(encoded["input_ids"]):
        p_mask = [s != 1 for s in encoded.sequence_ids(i)]
        p_mask = numpy.array([m and t != tokenizer.cls_token_id for m, t in zip(p_mask, ids)])
        inputs = {k: torch.tensor([encoded[k][i]]) for k in tokenizer.model_input_names}
        with torch.no_grad():
            out = model(**inputs)
        starts, ends, scores, null = select_starts_ends(
            out.start_logits.numpy(), out.end_logits.numpy(), p_mask, inputs["attention_mask"].numpy(), null,
            2 * top_k + 10 if align else top_k, impossible, max_answer_len)
        enc = encoded[i]
        for s, e, score in zip(starts, ends, scores):
            begin, end = enc.offsets[s][0], enc.offsets[e][1]
            if align:
                try:
                    begin = enc.word_to_chars(enc.token_to_word(s), sequence_index=1)[0]
                    end = enc.word_to_chars(enc.token_to_word(e), sequence_index=1)[1]
                except Exception:
                    begin, end = enc.offsets[s][0], enc.offsets[e][1]
            text = context[begin:end]
            same = next((a for a in answers if a["answer"].lower() == text.lower()), None)
            if same:
                same["score"] += score.item()
            else:
                answers.append({"score": score.item(), "start": begin, "end": end, "answer": text})
    if impossible:
        answers.append({"score": null, "start": 0, "end": 0, "answer": ""})
    return sorted(answers, key=lambda a: a["score"], reverse=True)[:top_k]


def answer_cases(family):
    model, tokenizer = load(family, "answer")
    cases = []
    asked = [("bad fig?", TEXTS[5]), ("a", LONG), ("hij \u00e9 cab", TEXTS[4] + " " + LONG), ("dice?", TEXTS[2])]
    for top, stride, longest, seq, impossible, align in (
            (1, 8, 15, POSITIONS - 2, False, True), (3, 8, 15, POSITIONS - 2, False, True),
            (5, 3, 4, 20, True, True), (4, 11, 2, 30, True, False), (40, 5, 9, 18, False, True)):
        for question, context in asked:
            arguments = (top, stride, longest, seq, impossible, align)
            cases.append({"model": f"encoder_{family}_answer", "question": question, "context": context, "top_k": top,
                          "doc_stride": stride, "max_answer_len": longest, "max_seq_len": seq,
                          "handle_impossible_answer": impossible, "align_to_words": align,
                          "answers": plain(answers_of(model, tokenizer, question, context, *arguments))})
    return cases


def pipeline_goldens():
    cases = {"versions": VERSIONS, "classify": [], "classify_pairs": [], "tag": [], "fill": [], "answer": []}
    for family in ("bert", "roberta"):
        cases["classify"] += classify_cases(family)
        cases["classify_pairs"] += pair_cases(family)
        cases["tag"] += tag_cases(family)
        cases["fill"] += fill_cases(family)
        cases["answer"] += answer_cases(family)
    for what, of in (("tag", tag_cases), ("fill", fill_cases), ("answer", answer_cases)):
        cases[what] += of("xlmr")
    (GOLDEN / "pipelines.json").write_text(json.dumps(cases, ensure_ascii=False, separators=(",", ":")) + "\n")


def main():
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    model_goldens()
    pipeline_goldens()


if __name__ == "__main__":
    main()
