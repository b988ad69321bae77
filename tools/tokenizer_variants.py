"""tokenizer.json files of our own making, with the settings that MiniLM's does not use."""

import copy

BERT = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
        "strip_accents": None, "lowercase": True}


def added_tokens(vocab, tokens):
    """With every flag, and the vocabulary's id or the next free one."""
    out, free = [], len(vocab)
    for token in tokens:
        index = vocab.get(token["content"], free)
        free += index == free
        flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
        out.append({"id": index} | flags | token)
    return out


def variants(base):
    """By name, from a tokenizer.json whose vocabulary and special tokens they keep."""
    vocab = base["model"]["vocab"]
    made = {}

    def make(name, **parts):
        made[name] = copy.deepcopy(base)
        made[name]["truncation"] = made[name]["padding"] = None
        made[name]["added_tokens"] += parts.pop("added_tokens", [])
        made[name]["model"].update(parts.pop("model", {}))
        made[name].update(parts)

    make("cased", normalizer=BERT | {"lowercase": False})
    make("accents", normalizer=BERT | {"strip_accents": False})
    make("cased_no_accents", normalizer=BERT | {"strip_accents": True, "lowercase": False})
    make("dirty", normalizer=BERT | {"clean_text": False, "handle_chinese_chars": False})
    make("raw", normalizer=None, pre_tokenizer={"type": "WhitespaceSplit"},
         model={"max_input_chars_per_word": 20})
    make("added", added_tokens=added_tokens(vocab, [
        {"content": "<ent>", "lstrip": True, "rstrip": True},
        {"content": "New York", "normalized": True, "single_word": True},
        {"content": "don", "normalized": True, "lstrip": True},
        {"content": "Größe", "normalized": True, "rstrip": True},
        {"content": "fo", "single_word": True},
        {"content": "世", "rstrip": True, "special": True},
        {"content": ".o", "normalized": True},
        {"content": ".or", "normalized": True},
    ]))
    for form in ("NFC", "NFKC", "NFKD"):
        make(form.lower(), normalizer={"type": "Sequence", "normalizers": [
            {"type": form}, {"type": "StripAccents"} if form == "NFKD" else {"type": "Lowercase"}]},
            pre_tokenizer={"type": "Whitespace"})
    make("steps", normalizer={"type": "Sequence", "normalizers": [
        {"type": "NFD"}, {"type": "StripAccents"}, {"type": "Lowercase"},
        {"type": "Strip", "strip_left": True, "strip_right": True},
        {"type": "Replace", "pattern": {"String": "o"}, "content": "öh"},
        {"type": "Prepend", "prepend": "x "}]},
        pre_tokenizer={"type": "Sequence", "pretokenizers": [
            {"type": "WhitespaceSplit"},
            {"type": "Punctuation", "behavior": "MergedWithPrevious"}]},
        post_processor={"type": "BertProcessing", "sep": ["[SEP]", vocab["[SEP]"]],
                        "cls": ["[CLS]", vocab["[CLS]"]]})
    for behavior in ("Removed", "Isolated", "MergedWithNext", "Contiguous"):
        make("punctuation_" + behavior.lower(), pre_tokenizer={"type": "Sequence", "pretokenizers": [
            {"type": "Punctuation", "behavior": behavior}, {"type": "WhitespaceSplit"}]},
            post_processor=None)
    return made


LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")


def byte_level(**changes):
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
            "use_regex": True} | changes


def split(pattern, behavior="Isolated", invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert}


def then_bytes(*steps):
    return {"type": "Sequence", "pretokenizers": [*steps, byte_level(use_regex=False)]}


def variants_of(base):
    """No variants yet, and what makes one under its name: the base with changes."""
    made = {}

    def make(name, added=(), model=(), **parts):
        made[name] = copy.deepcopy(base)
        made[name]["added_tokens"] += added
        made[name]["model"].update(model)
        made[name].update(parts)

    return made, make


def bpe_variants(base):
    """By name, from RoBERTa's tokenizer.json: the settings of other models on its vocabulary, and
    those that no well-known model uses."""
    vocab = base["model"]["vocab"]
    made, make = variants_of(base)

    template = {"type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                           {"Sequence": {"id": "A", "type_id": 0}}],
                "pair": [{"Sequence": {"id": "A", "type_id": 0}},
                         {"Sequence": {"id": "B", "type_id": 1}}],
                "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}}
    make("llama3", pre_tokenizer=then_bytes(split(LLAMA3)), model={"ignore_merges": True},
         post_processor={"type": "Sequence", "processors": [byte_level(), template]})
    make("qwen2", normalizer={"type": "NFC"}, pre_tokenizer=then_bytes(split(QWEN2)),
         post_processor=byte_level(trim_offsets=False))
    make("smollm", pre_tokenizer={"type": "Sequence", "pretokenizers": [
        {"type": "Digits", "individual_digits": True}, byte_level()]}, post_processor=None)
    make("digits", pre_tokenizer={"type": "Sequence", "pretokenizers": [
        {"type": "Digits", "individual_digits": False}, byte_level()]}, post_processor=byte_level())
    make("prefix_space", pre_tokenizer=byte_level(add_prefix_space=True),
         post_processor=byte_level(add_prefix_space=True))
    make("prefix_space_roberta", pre_tokenizer=byte_level(add_prefix_space=True),
         post_processor=base["post_processor"] | {"add_prefix_space": True})
    make("one_piece", pre_tokenizer=byte_level(use_regex=False, add_prefix_space=True))
    make("bpe_added", added_tokens(vocab, [
        {"content": "<ent>", "lstrip": True, "rstrip": True},
        {"content": "New York", "normalized": True, "single_word": True},
        {"content": " don", "normalized": True, "lstrip": True},
        {"content": "Größe", "normalized": True, "rstrip": True},
        {"content": "fo", "single_word": True},
        {"content": "世", "rstrip": True, "special": True},
        {"content": ".o", "normalized": True}]), normalizer={"type": "Lowercase"})
    for behavior in ("Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"):
        make("split_" + behavior.lower(), pre_tokenizer=then_bytes(
            split(r"\s+|[^\w\s]", behavior), split("a", "MergedWithNext", kind="String")))
    make("split_invert", pre_tokenizer=then_bytes(split(r"\w+", "Removed", invert=True)))
    make("split_nothing", pre_tokenizer=then_bytes(split("")))
    make("characters", normalizer={"type": "Lowercase"}, pre_tokenizer=None, decoder={"type": "Fuse"},
         post_processor=None, model={"unk_token": "<unk>", "fuse_unk": True, "merges": []})
    return made


def metaspace(**changes):
    return {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always",
            "split": True} | changes


def unigram_variants(base):
    """By name, from T5's tokenizer.json: the settings of transformers' other converters and those
    that no well-known model uses."""
    pieces = base["model"]["vocab"]
    vocab = {piece: i for i, (piece, _) in enumerate(pieces)}
    map_ = base["normalizer"]
    spaces = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "\u2581"}
    strip = {"type": "Strip", "strip_left": False, "strip_right": True}
    made, make = variants_of(base)

    def steps(*normalizers):
        return {"type": "Sequence", "normalizers": list(normalizers)}

    make("converted", normalizer=steps(map_, strip, spaces), pre_tokenizer=metaspace(),
         decoder=metaspace())
    make("first", pre_tokenizer=metaspace(prepend_scheme="first"), added=added_tokens(vocab, [
        {"content": "<ent>", "lstrip": True, "rstrip": True}, {"content": "fo"}]))
    make("never", pre_tokenizer=metaspace(prepend_scheme="never"),
         decoder=metaspace(prepend_scheme="never"))
    make("one_word", normalizer=steps(map_, strip), pre_tokenizer=metaspace(split=False))
    make("nmt", normalizer=steps({"type": "Nmt"}, {"type": "NFKC"}, spaces),
         pre_tokenizer=metaspace())
    make("bytes_fall_back", model={"byte_fallback": True, "vocab": pieces + [
        [f"<0x{byte:02X}>", -15.0] for byte in range(256)]},
        decoder={"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}]})
    make("by_bytes", normalizer=steps({"type": "ByteLevel"}), pre_tokenizer=None,
         decoder=byte_level())
    make("delimiter", pre_tokenizer={"type": "CharDelimiterSplit", "delimiter": "."},
         normalizer=None, decoder={"type": "BPEDecoder", "suffix": "e"})
    make("fixed_length", pre_tokenizer={"type": "FixedLength", "length": 3}, normalizer=None,
         decoder={"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "o",
                  "cleanup": True})
    make("regex", normalizer={"type": "Replace", "pattern": {"Regex": r"\s+|[aeiou](?=n)"},
                              "content": "_"}, pre_tokenizer={"type": "WhitespaceSplit"},
         decoder={"type": "Replace", "pattern": {"Regex": "[a-f]+"}, "content": "<>"})
    make("scripts", pre_tokenizer={"type": "Sequence", "pretokenizers": [
        {"type": "UnicodeScripts"}, metaspace()]}, decoder=metaspace())
    make("word_level", pre_tokenizer={"type": "Whitespace"}, normalizer=None, decoder=None,
         model={"type": "WordLevel", "vocab": vocab, "unk_token": "<unk>"})
    return made
