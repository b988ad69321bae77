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
