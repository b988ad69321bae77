"""Folders of checkpoints with the tokenizers of well-known classes, made of the shared data's files,
and transformers' classes with the interface of `tokenizers`, as far as it is used here.

RoBERTa's files are those in its tokenizer.json, BERT's and T5's their own (PEGASUS has T5's model: its
ids begin alike); the other models are learned by sentencepiece from both sides of the 10,000 pairs.
"""

import importlib
import io
import json
import os
import re
import types

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # everything is in the folders

MASK = {"__type": "AddedToken", "content": "<mask>", "lstrip": True, "normalized": False,
        "rstrip": False, "single_word": False, "special": True}
BPE_CLASSES = {"roberta": "RobertaTokenizer", "bart": "BartTokenizer"}
BERT_CLASSES = {"bert": "BertTokenizer", "electra": "ElectraTokenizer",
                "distilbert": "DistilBertTokenizer"}
# The class, its model's name, the model it takes, and what its tokenizer_config.json says.
MODEL_CLASSES = {
    "t5": ("T5Tokenizer", "spiece.model", "t5", {}),
    "pegasus": ("PegasusTokenizer", "spiece.model", "t5", {}),
    "xlm_roberta": ("XLMRobertaTokenizer", "sentencepiece.bpe.model", "pairs", {"mask_token": MASK}),
    "camembert": ("CamembertTokenizer", "sentencepiece.bpe.model", "pairs", {"mask_token": MASK}),
    "mbart": ("MBartTokenizer", "sentencepiece.bpe.model", "pairs", {"mask_token": MASK}),
    "mbart50": ("MBart50Tokenizer", "sentencepiece.bpe.model", "pairs",
                {"mask_token": MASK, "src_lang": "en_XX"}),
    "albert": ("AlbertTokenizer", "spiece.model", "albert", {}),
}
MARIAN_LINES = 20000  # its class in transformers is written in Python


def learn(files, vocab=4000, **options):
    import sentencepiece
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        input=",".join(map(str, files)), model_writer=out, vocab_size=vocab, num_threads=1,
        minloglevel=2, **options)
    return out.getvalue()


def model(name, data):
    both = [data / "corpora" / "opennmt-ende" / f"train.{side}" for side in ("en", "de")]
    if name == "t5":
        return (data / "tokenizers/t5/spiece.model").read_bytes()
    if name == "albert":
        return learn(both, pad_id=0, unk_id=1, bos_id=-1, eos_id=-1,
                     control_symbols=["[CLS]", "[SEP]", "[MASK]"])
    return learn(both)


def write_marian(data, folder):
    """Two models, and ids of its own for the pieces of both."""
    import sentencepiece
    pieces = ["</s>", "<unk>"]
    for side, language in (("source", "en"), ("target", "de")):
        model = learn([data / "corpora" / "opennmt-ende" / f"train.{language}"])
        (folder / f"{side}.spm").write_bytes(model)
        one = sentencepiece.SentencePieceProcessor(model_proto=model)
        pieces += [one.id_to_piece(i) for i in range(3, one.get_piece_size())]
    pieces = [*dict.fromkeys(pieces), ">>de<<", "<pad>"]
    vocab = {piece: i for i, piece in enumerate(pieces)}
    (folder / "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")


def write_folders(data, folder, only=None):
    """Folders by name, each with its tokenizer_config.json; `only` some, or what is made of them."""
    made, learned = {}, {}

    def wanted(name):
        return only is None or any(one == name or one.startswith(name + "_") for one in only)

    def add(name, class_name, config=None):
        made[name] = folder / name
        made[name].mkdir()
        (made[name] / "tokenizer_config.json").write_text(
            json.dumps({"tokenizer_class": class_name, **(config or {})}))
        return made[name]

    roberta = json.loads((data / "tokenizers/roberta-base/tokenizer.json").read_text())["model"]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in roberta["merges"]]
    for name, class_name in filter(lambda one: wanted(one[0]), BPE_CLASSES.items()):
        path = add(name, class_name)
        (path / "vocab.json").write_text(json.dumps(roberta["vocab"]))
        (path / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]),
                                         encoding="utf-8")
    for name, class_name in filter(lambda one: wanted(one[0]), BERT_CLASSES.items()):
        vocab = (data / "tokenizers/bert-base-uncased/vocab.txt").read_bytes()
        (add(name, class_name) / "vocab.txt").write_bytes(vocab)
    for name, (class_name, file, source, config) in MODEL_CLASSES.items():
        if wanted(name):
            learned[source] = learned.get(source) or model(source, data)
            (add(name, class_name, config) / file).write_bytes(learned[source])
    if wanted("marian"):
        write_marian(data, add("marian", "MarianTokenizer"))
    return made


def class_of(name):
    import transformers
    if name in BERT_CLASSES:
        return transformers.BertTokenizer  # which AutoTokenizer takes for all of them
    if name == "marian":
        return transformers.MarianTokenizer
    return getattr(transformers, BPE_CLASSES.get(name) or MODEL_CLASSES[name][0])


def write_json(name, path, folder):
    """The tokenizer.json files that transformers makes of a folder: the one its class saves, and
    the one of the converters that made those of the hub. Paths by name."""
    convert = importlib.import_module("transformers.convert_slow_tokenizer")
    library = class_of(name).from_pretrained(path)
    if not library.is_fast:
        return {}
    files = {f"{name}_saved": library.backend_tokenizer}
    if name in MODEL_CLASSES:
        class_name, file, _, _ = MODEL_CLASSES[name]
        library.vocab_file = str(path / file)
        library.__dict__.setdefault("mask_token_sent", "<mask_1>")  # which PEGASUS' converter asks for
        files[f"{name}_converted"] = convert.SLOW_TO_FAST_CONVERTERS[class_name](library).converted()
    made = {}
    for made_name, backend in files.items():
        made[made_name] = folder / f"{made_name}.json"
        backend.save(str(made[made_name]))
    return made


class ClassTokenizer:
    """What transformers' class makes of a text, and what sentencepiece itself would."""

    def __init__(self, name, path):
        self.name = name
        self.tokenizer = class_of(name).from_pretrained(path)
        found = [*path.glob("*.model"), *path.glob("source.spm")]
        self.processor = self.model_of(found[0]) if found else None
        tokens = [t for t in self.tokenizer.get_added_vocab() if t]
        tokens += [t for t in self.tokenizer.get_vocab() if re.fullmatch(">>.*<<", t)]
        self.special = set(tokens)
        longest = sorted(map(re.escape, tokens), key=len, reverse=True)
        self.cut = re.compile("(" + "|".join(longest) + ")") if tokens else None
        self.vocab = self.tokenizer.get_vocab()
        bare = self.tokenizer("a", add_special_tokens=False)["input_ids"]
        whole = self.tokenizer("a")["input_ids"]
        at = next(i for i in range(len(whole)) if whole[i:i + len(bare)] == bare)
        self.front, self.behind = whole[:at], whole[at + len(bare):]

    def model_of(self, file):
        import sentencepiece
        model = file.read_bytes()
        if self.name == "albert":  # "9,9" is to be "9", ",", "9" (google-research/albert)
            from sentencepiece import sentencepiece_model_pb2
            message = sentencepiece_model_pb2.ModelProto()
            message.ParseFromString(model)
            for piece in message.pieces:
                piece.score -= 100 if re.search("[0-9],$", piece.piece) else 0
            model = message.SerializeToString()
        return sentencepiece.SentencePieceProcessor(model_proto=model)

    def encode(self, text):
        return types.SimpleNamespace(ids=self.tokenizer(text)["input_ids"], tokens=None,
                                     offsets=None, word_ids=None)

    def explains(self, text, ids):
        """Whether sentencepiece gives these ids where the class, rebuilt without it, does not."""
        if self.processor is None:
            return False
        own = []
        for part in self.cut.split(text):
            if part in self.special:
                own.append(self.vocab[part])
            elif part:
                own += self.pieces(part)
        return ids == self.front + own + self.behind

    def pieces(self, text):
        if self.name == "albert":
            from tokenizers import normalizers as n
            text = n.Sequence([n.Replace("``", '"'), n.Replace("''", '"'), n.NFKD(), n.StripAccents(),
                               n.Lowercase()]).normalize_str(text)
        unknown, by_text = self.tokenizer.unk_token_id, self.name == "marian"
        return [self.vocab.get(piece.piece, unknown)
                if by_text or not self.processor.is_unknown(piece.id) else unknown
                for piece in self.processor.encode(text, return_type="proto").pieces]
