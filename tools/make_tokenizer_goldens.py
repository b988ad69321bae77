#!/usr/bin/env python3
"""Writes tests/golden/tokenizers*.json (WordPiece; _bpe, _llama, _unigram): what the `tokenizers`
library makes of difficult texts; and sentencepiece/: small models and what that library makes of them.

    python tools/make_tokenizer_goldens.py --model MINILM_FOLDER [--only unigram llama sentencepiece]

One entry a tokenizer: its tokenizer.json (small, of our own making; null for MiniLM's, which tests
find in the hub's cache; the others repeat "small" but for what they name) and cases with texts (in
hexadecimal where they are no UTF-8), options and the encoding. Nothing is random.
"""

import argparse
import base64
import io
import json
import pathlib
import tempfile

import tokenizers
from tokenizer_variants import (BERT, bpe_variants, byte_level, metaspace, unigram_variants,
                                variants)

TEXTS = [
    "", " ", "\n", "Hello world", "  Hello,   WORLD!  ", "unaffable don't won't", "naïve café Größe",
    "STRASSE ΣΊΣΥΦΟΣ İstanbul", "ﬁnance ½ Ⅷ ㎏", "你好 world世界", "日本語テスト 한국어", "हिन्दी ไทย עִבְרִית",
    "e\u0301\u0323 a\u0323\u0301 o\u0334\u0308x", "👩\u200d👩\u200d👧 ok 👍🏽", "a\u200bb\u00adc\u0000d\u0085e\ufeff",
    "tab\tnew\nline\r\nend", "\u00a0\u2003\u3000x", "New York, New Yorker <ent>  don  <ent>x",
    "[MASK] a[MASK]b [CLS]x[SEP] [UNK]", "a.or.o b .O", "fo fox fo.fo", "世 世界 世  x", "x" * 101,
    "#tag ##ing C++ a_b-c", "q" * 20 + " " + "q" * 21, "\u1734a\U00011938 \u110b\u1161\u11ab",
]
BROKEN = [b"a\xffb", b"\xc0\xafx", b"x\xe2\x82", b"\xf0\x9f\x98 y", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
          b"ab\xe4\xbd"]
PAIRS = [("hello world", "don't go"), ("", "x"), ("x", ""), ("a b c d e f g", "h i"),
         ("a b", "c d e f g h i"), ("a b c d e", "f g h i j")]
LIMITS = [2, 3, 4, 5, 8]


def small_tokenizer():
    """Knows letters, alone and as continuing pieces, and some words."""
    letters = sorted(set("".join(TEXTS).lower() + "".join(TEXTS)) - set(" \n\t\r\0"))
    words = ["hello", "world", "Hello", "un", "##aff", "##able", "don", "cafe", "##ing", "York", "new",
             "York", "fo", "fox", "strasse", "naive", "[ent]", "to", "##wn", "gross", "ab", "##ab"]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces += [x for c in letters for x in (c, "##" + c)] + words
    pieces = [p for p in dict.fromkeys(pieces) if p not in ("q", "##q", "你")]  # q is unknown
    vocab = {piece: i for i, piece in enumerate(pieces)}
    special = [{"id": i, "content": pieces[i], "single_word": False, "lstrip": False, "rstrip": False,
                "normalized": False, "special": True} for i in range(5)]
    library = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocab, unk_token="[UNK]"))
    library.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    settings = json.loads(library.to_str())
    settings["added_tokens"] = special
    settings["normalizer"] = BERT
    settings["pre_tokenizer"] = {"type": "BertPreTokenizer"}
    settings["decoder"] = {"type": "WordPiece", "prefix": "##", "cleanup": True}
    return settings


def small_bpe():
    """Byte-level BPE learned from the texts, with RoBERTa's special tokens and settings."""
    library = tokenizers.Tokenizer(tokenizers.models.BPE())
    library.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    library.train_from_iterator(TEXTS * 2, tokenizers.trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, show_progress=False,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet()))
    settings = json.loads(library.to_str())
    settings["added_tokens"][4]["lstrip"] = True
    settings["post_processor"] = {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0],
                                  "trim_offsets": True, "add_prefix_space": False}
    settings["decoder"] = byte_level()
    return settings


# Rules of every kind: longer, shorter, to a space, to nothing, of two characters.
RULES = [("FB01", "66 69"), ("65 301", "E9"), ("A0", "20"), ("3000", "20"), ("9", "20"), ("A", "20"),
         ("200B", ""), ("AD", ""), ("BD", "31 2044 32"), ("2167", "56 49 49 49"), ("FEFF", ""),
         ("D A", "20"), ("D", "20"), ("130", "69 307")]


def sentencepiece_model(**options):
    """A model of the texts as bytes; the pieces are the library's choice."""
    import sentencepiece
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as rules:
        rules.write("".join(f"{a}\t{b}\n" for a, b in RULES))
        rules.flush()
        out = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter([text for text in TEXTS * 3 if text.strip()]), model_writer=out,
            character_coverage=0.98, num_threads=1, minloglevel=2, hard_vocab_limit=False,
            **({"normalization_rule_tsv": rules.name} | options))
    return out.getvalue()


def unused(model, every):
    """The model with every so many of its longer pieces of the type that texts are never cut into."""
    message = model_message(model)
    longer = [p for p in message.pieces if p.type == p.NORMAL and len(p.piece) > 1]
    for piece in longer[::every]:
        piece.type = piece.UNUSED
    return message.SerializeToString()


def model_message(model):
    from sentencepiece import sentencepiece_model_pb2
    message = sentencepiece_model_pb2.ModelProto()
    message.ParseFromString(model)
    return message


def small_unigram():
    """As transformers makes T5's, of a small SentencePiece model with the rules above."""
    message = model_message(sentencepiece_model(vocab_size=300, pad_id=0, eos_id=1, unk_id=2, bos_id=-1))
    pieces = [[piece.piece, round(piece.score, 4)] for piece in message.pieces] + [["<extra_id_0>", 0.0]]
    special = [{"id": i, "content": pieces[i][0], "single_word": False, "lstrip": False,
                "rstrip": False, "normalized": False, "special": True}
               for i in (0, 1, 2, len(pieces) - 1)]
    end = {"SpecialToken": {"id": "</s>", "type_id": 0}}
    a, b = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": special,
            "normalizer": {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(
                message.normalizer_spec.precompiled_charsmap).decode()},
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                {"type": "WhitespaceSplit"}, metaspace()]},
            "post_processor": {"type": "TemplateProcessing", "single": [a, end],
                               "pair": [a, end, b, end],
                               "special_tokens": {"</s>": {"id": "</s>", "ids": [1],
                                                           "tokens": ["</s>"]}}},
            "decoder": metaspace(),
            "model": {"type": "Unigram", "unk_id": 2, "vocab": pieces}}


def small_llama():
    """Llama 2's settings: SentencePiece's byte-pair encoding with byte fallback."""
    library = tokenizers.Tokenizer(tokenizers.models.BPE())
    library.normalizer = tokenizers.normalizers.Replace(" ", "\u2581")
    special = ["<unk>", "<s>", "</s>"]
    library.train_from_iterator(TEXTS * 2, tokenizers.trainers.BpeTrainer(
        vocab_size=560, limit_alphabet=60, show_progress=False,
        special_tokens=special + [f"<0x{byte:02X}>" for byte in range(256)]))
    settings = json.loads(library.to_str())
    settings["added_tokens"] = settings["added_tokens"][:3]
    settings["model"] |= {"unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True}
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}
    settings["normalizer"] = {"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": "\u2581"}, replace]}
    settings["decoder"] = {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
        {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
    return settings


def llama_variants(base):
    """transformers' later ways to mark words."""
    return {f"{scheme}{'' if split else '_whole'}": base | {
        "normalizer": None, "pre_tokenizer": metaspace(prepend_scheme=scheme, split=split)}
        for scheme in ("always", "first", "never") for split in (True, False)}


def case(library, texts, limit=None, add_special=True):
    if limit is None:
        library.no_truncation()
    else:
        library.enable_truncation(limit, strategy="longest_first")
    decoded = [t.decode("utf-8", "replace") for t in texts]
    e = library.encode(*decoded, add_special_tokens=add_special)
    made = {"texts": decoded} if all(
        d.encode() == t for d, t in zip(decoded, texts)) else {"hex": [t.hex() for t in texts]}
    if limit is not None:
        made["max_tokens"] = limit
    if not add_special:
        made["add_special"] = False
    return made | {
        "ids": e.ids, "tokens": e.tokens, "offsets": e.offsets, "type_ids": e.type_ids,
        "words": [-1 if word is None else word for word in e.word_ids],
        "special": e.special_tokens_mask, "decoded": library.decode(e.ids),
        "decoded_all": library.decode(e.ids, skip_special_tokens=False)}


def cases(library):
    library.no_padding()
    made = [case(library, [text.encode()]) for text in TEXTS]
    made += [case(library, [text]) for text in BROKEN]
    made += [case(library, [TEXTS[5].encode()], add_special=False)]
    for first, second in PAIRS:
        pair = [first.encode(), second.encode()]
        made.append(case(library, pair))
        made.append(case(library, pair, add_special=False))
    return made


def limited(library):
    library.no_padding()
    made = []
    for limit in LIMITS:
        made.append(case(library, [b"a b c hello d e f g h"], limit))
        made.append(case(library, [b"a b c"], limit, add_special=False))
        for first, second in PAIRS:
            if limit >= 3:
                made.append(case(library, [first.encode(), second.encode()], limit))
            made.append(case(library, [first.encode(), second.encode()], limit, add_special=False))
    return made


def wordpiece_entries(model):
    base = small_tokenizer()
    minilm = tokenizers.Tokenizer.from_file(model + "/tokenizer.json")
    entries = [{"name": "minilm", "settings": None, "cases": cases(minilm) + limited(minilm)}]
    for name, settings in {"small": base, **variants(base)}.items():
        library = tokenizers.Tokenizer.from_str(json.dumps(settings))
        made = cases(library) + (limited(library) if name in ("small", "steps") else [])
        entries.append(entry(name, settings, base, made))
    return entries


def entries_of(base, others, pairs_too=()):
    entries = []
    for name, settings in {"small": base, **others}.items():
        library = tokenizers.Tokenizer.from_str(json.dumps(settings))
        texts = [text.encode() for text in TEXTS] + BROKEN
        made = (cases(library) if name == "small" or name in pairs_too else
                [case(library, [text]) for text in texts])
        entries.append(entry(name, settings, base, made))
    return entries


def bpe_entries():
    base = small_bpe()
    kept = ("llama3", "qwen2", "smollm", "prefix_space", "bpe_added", "split_contiguous",
            "split_invert", "characters")
    others = {name: made for name, made in bpe_variants(base).items() if name in kept}
    return entries_of(base, others, ("llama3",))


def unigram_entries():
    base = small_unigram()
    others = unigram_variants(base)
    del others["word_level"]  # it has a vocabulary of its own
    del others["bytes_fall_back"]
    return entries_of(base, others)


def llama_entries():
    base = small_llama()
    return entries_of(base, llama_variants(base))


def write_sentencepiece(folder):
    import sentencepiece
    folder.mkdir(exist_ok=True)
    kept = ["New York", "<ent>", "fo"]
    models = {
        "unigram": sentencepiece_model(vocab_size=300, user_defined_symbols=kept),
        "unigram_bytes": sentencepiece_model(vocab_size=560, byte_fallback=True,
                                             add_dummy_prefix=False),
        "bpe": sentencepiece_model(vocab_size=560, model_type="bpe", byte_fallback=True,
                                   user_defined_symbols=kept, remove_extra_whitespaces=False),
        "unigram_unused": unused(sentencepiece_model(vocab_size=300), 2),
        "bpe_unused": unused(sentencepiece_model(vocab_size=300, model_type="bpe"), 2),
        "words": sentencepiece_model(vocab_size=120, model_type="word",
                                     user_defined_symbols=kept),
        "chars": sentencepiece_model(vocab_size=120, model_type="char", user_defined_symbols=kept,
                                     normalization_rule_tsv="", normalization_rule_name="identity")}
    entries = []
    for name, model in models.items():
        (folder / (name + ".model")).write_bytes(model)
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        made = []
        for text in TEXTS:
            ids = processor.encode(text)
            known = not any(map(processor.is_unknown, ids))  # the library writes " \u2047 " for it
            made.append({"text": text, "ids": ids} | (
                {"decoded": processor.decode(ids)} if known else {}))
        entries.append({"name": name, "cases": made})
    write(folder / "cases.json", entries, "sentencepiece", sentencepiece.__version__)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", help="MiniLM's folder, for the WordPiece file")
    parser.add_argument("--only", nargs="+", default=["wordpiece", "bpe", "llama", "unigram",
                                                      "sentencepiece"])
    parser.add_argument("--out", type=pathlib.Path,
                        default=pathlib.Path(__file__).parent.parent / "tests" / "golden")
    options = parser.parse_args()
    if "wordpiece" in options.only:
        write(options.out / "tokenizers.json", wordpiece_entries(options.model))
    for name, make in (("bpe", bpe_entries), ("llama", llama_entries), ("unigram", unigram_entries)):
        if name in options.only:
            write(options.out / f"tokenizers_{name}.json", make())
    if "sentencepiece" in options.only:
        write_sentencepiece(options.out / "sentencepiece")


def entry(name, settings, base, made):
    # a variant repeats the base but for these, which tests put in place
    changed = {k: v for k, v in settings.items() if v != base[k]}
    if "model" in changed:
        changed["model"] = {k: v for k, v in settings["model"].items()
                            if k != "vocab" and v != base["model"].get(k)}
    return {"name": name, "settings": settings if name == "small" else changed, "cases": made}


def write(path, entries, library="tokenizers", version=tokenizers.__version__):
    golden = {"made_by": "tools/make_tokenizer_goldens.py", library: version, "entries": entries}
    lines = [json.dumps(golden | {"entries": []})[:-2]]
    for i, one in enumerate(entries):  # a case a line: differences can be read
        head = json.dumps(one | {"cases": []}, ensure_ascii=False)[:-2]
        body = ",\n".join(json.dumps(c, ensure_ascii=False, separators=(",", ":"))
                          for c in one["cases"])
        lines.append(f"{head}\n{body}\n]}}{',' if i + 1 < len(entries) else ''}")
    path.write_text("\n".join(lines) + "\n]}\n")


if __name__ == "__main__":
    main()
