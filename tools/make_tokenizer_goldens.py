#!/usr/bin/env python3
"""Writes tests/golden/tokenizers.json (WordPiece) and tokenizers_bpe.json: what the `tokenizers` library makes of difficult texts.

    python tools/make_tokenizer_goldens.py --model MINILM_FOLDER

One entry a tokenizer: its tokenizer.json (small, of our own making; null for MiniLM's, which tests
find in the hub's cache; the others repeat "small" but for what they name) and cases with texts (in
hexadecimal where they are no UTF-8), options and the encoding. Nothing is random.
"""

import argparse
import json
import pathlib

import tokenizers
from tokenizer_variants import BERT, bpe_variants, byte_level, variants

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


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True, help="MiniLM's folder")
    parser.add_argument("--out", type=pathlib.Path,
                        default=pathlib.Path(__file__).parent.parent / "tests" / "golden")
    options = parser.parse_args()
    base = small_tokenizer()
    minilm = tokenizers.Tokenizer.from_file(options.model + "/tokenizer.json")
    entries = [{"name": "minilm", "settings": None, "cases": cases(minilm) + limited(minilm)}]
    for name, settings in {"small": base, **variants(base)}.items():
        library = tokenizers.Tokenizer.from_str(json.dumps(settings))
        made = cases(library) + (limited(library) if name in ("small", "steps") else [])
        entries.append(entry(name, settings, base, made))
    write(options.out / "tokenizers.json", entries)

    base = small_bpe()
    kept = ("llama3", "qwen2", "smollm", "prefix_space", "bpe_added", "split_contiguous",
            "split_invert", "characters")
    entries = []
    for name, settings in {"small": base, **bpe_variants(base)}.items():
        if name == "small" or name in kept:
            library = tokenizers.Tokenizer.from_str(json.dumps(settings))
            texts = [text.encode() for text in TEXTS] + BROKEN
            made = (cases(library) if name in ("small", "llama3") else
                    [case(library, [text]) for text in texts])
            entries.append(entry(name, settings, base, made))
    write(options.out / "tokenizers_bpe.json", entries)


def entry(name, settings, base, made):
    # a variant repeats the base but for these, which tests put in place
    changed = {k: v for k, v in settings.items() if v != base[k]}
    if "model" in changed:
        changed["model"] = {k: v for k, v in settings["model"].items()
                            if k != "vocab" and v != base["model"].get(k)}
    return {"name": name, "settings": settings if name == "small" else changed, "cases": made}


def write(path, entries):
    golden = {"made_by": "tools/make_tokenizer_goldens.py",
              "tokenizers": tokenizers.__version__, "entries": entries}
    lines = [json.dumps(golden | {"entries": []})[:-2]]
    for i, one in enumerate(entries):  # a case a line: differences can be read
        head = json.dumps(one | {"cases": []}, ensure_ascii=False)[:-2]
        body = ",\n".join(json.dumps(c, ensure_ascii=False, separators=(",", ":"))
                          for c in one["cases"])
        lines.append(f"{head}\n{body}\n]}}{',' if i + 1 < len(entries) else ''}")
    path.write_text("\n".join(lines) + "\n]}\n")


if __name__ == "__main__":
    main()
