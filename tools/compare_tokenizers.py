#!/usr/bin/env python3
"""Compares `heed tokens --json` with the `tokenizers` library on difficult texts.

    python tools/compare_tokenizers.py --heed build/release/heed [--model MINILM_FOLDER]
        [--data SHARED_DATA] [--lines 100000] [--seed 1] [--file TEXT...] [--only NAME...]
        [--sentencepiece | --transformers]

Makes seeded lines of mixed scripts, emoji with joiners, control characters, combining marks, CJK and
invalid UTF-8 (only code points that Unicode 14 assigns), or takes the lines of files, gives the raw
bytes to Heed and bytes.decode("utf-8", "replace") to the library, and compares ids, tokens, offsets
and words of every line: under MiniLM's tokenizer.json (WordPiece) and synthetic ones with other
settings, and under GPT-2's files and RoBERTa's tokenizer.json (byte-level BPE) of the shared data and
synthetic ones, and under T5's tokenizer.json and synthetic ones (Unigram and the parts that no other
has). With --sentencepiece Heed reads .model files instead, T5's and some learned from the shared
texts, and the sentencepiece library is what it is compared with. With --transformers Heed reads folders
of well-known classes (tokenizer_folders.py) and the ids are compared with those of transformers' classes
on the same folders, and the tokenizer.json files that transformers makes of them with `tokenizers`; where
a class differs from Heed but sentencepiece itself does not, that is told apart and is no difference.
Prints one line a tokenizer and the first differences; the exit status is 1 if there is any.

Needs the PyPI package tokenizers, sentencepiece, or transformers and both with protobuf; Python's own
Unicode tables must be version 14 (Python 3.11) or newer.
"""

import argparse
import hashlib
import importlib
import itertools
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import types
import unicodedata

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from tokenizer_folders import (MARIAN_LINES, ClassTokenizer, write_folders,  # noqa: E402
                               write_json)
from tokenizer_variants import bpe_variants, unigram_variants, variants  # noqa: E402

# Blocks of Unicode 14 to draw scripts from: letters, digits, marks and punctuation of each together.
SCRIPTS = [
    (0x20, 0x7E), (0xA0, 0xFF), (0x100, 0x24F), (0x250, 0x2FF), (0x300, 0x36F), (0x370, 0x3FF),
    (0x400, 0x52F), (0x530, 0x58F), (0x590, 0x5FF), (0x600, 0x6FF), (0x700, 0x74F), (0x780, 0x7BF),
    (0x7C0, 0x85F), (0x860, 0x8FF), (0x900, 0x97F), (0x980, 0x9FF), (0xA00, 0xA7F), (0xA80, 0xAFF),
    (0xB00, 0xB7F), (0xB80, 0xBFF), (0xC00, 0xC7F), (0xC80, 0xCFF), (0xD00, 0xD7F), (0xD80, 0xDFF),
    (0xE00, 0xE7F), (0xE80, 0xEFF), (0xF00, 0xFFF), (0x1000, 0x109F), (0x10A0, 0x10FF),
    (0x1100, 0x11FF), (0x1200, 0x139F), (0x13A0, 0x13FF), (0x1400, 0x167F), (0x1680, 0x16FF),
    (0x1700, 0x17FF), (0x1800, 0x18AF), (0x1900, 0x1AAF), (0x1AB0, 0x1AFF), (0x1B00, 0x1CFF),
    (0x1D00, 0x1DFF), (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x218F), (0x2190, 0x23FF),
    (0x2400, 0x27BF), (0x2C00, 0x2DFF), (0x2E00, 0x2FFF), (0x3000, 0x30FF), (0x3100, 0x33FF),
    (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xA000, 0xA6FF), (0xA700, 0xA7FF), (0xA800, 0xABFF),
    (0xAC00, 0xD7A3), (0xE000, 0xE0FF), (0xF900, 0xFAFF), (0xFB00, 0xFDFF), (0xFE00, 0xFFFF),
    (0x10000, 0x107FF), (0x10800, 0x10FFF), (0x11000, 0x11FFF), (0x12000, 0x123FF),
    (0x13000, 0x1343F), (0x16800, 0x16FFF), (0x17000, 0x187FF), (0x1B000, 0x1B2FF),
    (0x1BC00, 0x1BCAF), (0x1CF00, 0x1D24F), (0x1D400, 0x1D7FF), (0x1DF00, 0x1E95F),
    (0x1EE00, 0x1EEFF), (0x1F000, 0x1FAFF), (0x20000, 0x2A6DF), (0x2A700, 0x2CEAF),
    (0x2CEB0, 0x2EBEF), (0x2F800, 0x2FA1F), (0x30000, 0x3134A), (0xE0000, 0xE01EF),
    (0xF0000, 0xF00FF), (0x100000, 0x1000FF),
]
MARKS = [c for c in range(0x110000) if unicodedata.category(chr(c)) in ("Mn", "Mc", "Me")]
EMOJI = ["\U0001F600", "\U0001F469", "\U0001F468", "\U0001F467", "❤", "✈", "☃", "\U0001F44D",
         "\U0001F3F4", "1️⃣", "\U0001F1E9\U0001F1EA"]
SKINS = [chr(c) for c in range(0x1F3FB, 0x1F400)]
WORDS = ("The quick brown fox don't can't won't unaffable naïve café Größe STRASSE ΣΊΣΥΦΟΣ İstanbul "
         "ﬁnance ½ ² Ⅷ ㎏ 2,000.50 e-mail@x.org https://example.org/a?b=c#d C++ #tag [MASK] [CLS] "
         "[UNK] [SEP] <ent> New York hello wörld 你好 世界 日本語 テスト 한국어 ไทย हिन्दी עִבְרִית العَرَبِيَّة "
         "Й й ё é ệ ộ").split(" ")
CONTROLS = [chr(c) for c in [*range(0x20), 0x7F, *range(0x80, 0xA0), 0xAD, 0x200B, 0x200C, 0x200D,
                             0x200E, 0x202E, 0x2028, 0x2029, 0x2060, 0xFEFF, 0xFFFD, 0xFFF9, 0x61C]
            if c not in (0xA,)]
SPACES = [" ", "  ", "\t", "\u00a0", "\u2003", "\u3000", "\u1680", "\u205f", "\u0085", "\r", "\x0b"]
BAD_BYTES = [b"\xff", b"\xc0\xaf", b"\xe2\x82", b"\xf0\x9f\x98", b"\xed\xa0\x80", b"\x80", b"\xc3",
             b"\xf4\x90\x80\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xf8\x88\x80\x80\x80"]


CHUNK = 5000  # lines compared at once, which bounds the memory


class Maker:
    def __init__(self, seed):
        assert tuple(map(int, unicodedata.unidata_version.split("."))) >= (14, 0, 0)
        self.random = random.Random(seed)
        self.scripts = [[c for c in range(a, b + 1) if self.assigned(c)] for a, b in SCRIPTS]
        self.scripts = [block for block in self.scripts if block]

    @staticmethod
    def assigned(c):
        return unicodedata.category(chr(c)) not in ("Cn", "Cs") and c != 0xA

    def from_script(self):
        block = self.random.choice(self.scripts)
        return "".join(chr(self.random.choice(block)) for _ in range(self.random.randint(1, 8)))

    def marked(self):
        base = chr(self.random.choice(self.random.choice(self.scripts)))
        return base + "".join(chr(self.random.choice(MARKS))
                              for _ in range(self.random.randint(1, 4)))

    def emoji(self):
        parts = [self.random.choice(EMOJI) + self.random.choice(["", *SKINS])
                 + self.random.choice(["", "\ufe0f"]) for _ in range(self.random.randint(1, 4))]
        return self.random.choice(["\u200d", ""]).join(parts)

    def word(self):
        word = self.random.choice(WORDS)
        how = self.random.random()
        return word.upper() if how < 0.1 else word.lower() if how < 0.2 else word

    def long_word(self):
        return self.random.choice("aé你\u0301x") * self.random.randint(90, 110)

    def line(self):
        pieces = []
        makers = [self.word, self.word, self.word, self.from_script, self.from_script, self.marked,
                  self.emoji, lambda: self.random.choice(CONTROLS),
                  lambda: self.random.choice(".,;:!?'\"()[]{}#$%&*+-/<=>@^_`|~")]
        if self.random.random() < 0.02:
            makers.append(self.long_word)
        for _ in range(self.random.randint(0, 12)):
            pieces.append(self.random.choice(makers)().encode())
            if self.random.random() < 0.7:
                pieces.append(self.random.choice(SPACES if self.random.random() < 0.2
                                                 else [" "]).encode())
            if self.random.random() < 0.03:
                pieces.append(self.random.choice(BAD_BYTES))
        # Heed reads lines: no line feed inside, no carriage return before it, no mark at the start
        line = b"".join(pieces).replace(b"\n", b" ").rstrip(b"\r")
        return b" " + line if line.startswith(b"\xef\xbb\xbf") else line


def run_heed(heed, model, file):
    out = subprocess.run([heed, "tokens", "--json", "--model", model, "--file", file], check=True,
                         stdout=subprocess.PIPE).stdout
    return [json.loads(line) for line in out.split(b"\n")[:-1]]


def byte_starts(line):
    """Where in the raw line each character of the decoded one begins, and the line's end."""
    try:
        sizes = [len(c.encode()) for c in line.decode()]
        return [0, *itertools.accumulate(sizes)]
    except UnicodeDecodeError:
        pass
    starts, at = [], 0
    while at < len(line):
        starts.append(at)
        for size in range(1, 5):  # the shortest prefix that decodes to one whole character...
            try:
                line[at:at + size].decode()
                break
            except UnicodeDecodeError as error:
                if error.reason != "unexpected end of data":  # ...or the part that never can
                    size = error.end
                    break
                if at + size >= len(line):
                    size = len(line) - at
                    break
        at += size
    return [*starts, len(line)]


class SentencePiece:
    """The sentencepiece library with the interface of `tokenizers`, as far as it is used here."""

    def __init__(self, path):
        import sentencepiece
        self.processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
        self.is_bpe = path.stem.startswith("bpe")

    def encode(self, text):
        pieces = self.processor.encode(text, return_type="proto").pieces
        chars = {byte: i for i, byte in enumerate(
            itertools.accumulate((len(c.encode()) for c in text), initial=0))}
        offsets = [(chars[p.begin], chars[p.end]) for p in pieces]
        tokens = [p.piece for p in pieces]
        for i, piece in enumerate(pieces):
            if self.processor.is_byte(piece.id):  # all bytes of a character lie where it does
                byte = int(piece.piece[3:5], 16)
                size = 1 + (byte >= 0xC0) + (byte >= 0xE0) + (byte >= 0xF0)
                for j in range(i, i + size):
                    offsets[j] = (offsets[j][0], offsets[i + size - 1][1])
            elif self.is_bpe and self.processor.is_unknown(piece.id):
                tokens[i] = "<unk>"  # as `tokenizers` has it for BPE, and Heed
        return types.SimpleNamespace(ids=[p.id for p in pieces], tokens=tokens,
                                     offsets=offsets, word_ids=None)


def leave_out(path):
    """Every third of a model's longer pieces is of the type that texts are never cut into."""
    from sentencepiece import sentencepiece_model_pb2
    message = sentencepiece_model_pb2.ModelProto()
    message.ParseFromString(path.read_bytes())
    for piece in [p for p in message.pieces if p.type == p.NORMAL and len(p.piece) > 1][::3]:
        piece.type = piece.UNUSED
    path.write_bytes(message.SerializeToString())


def sentencepiece_models(data, folder):
    """T5's model, and by name some with the settings that it does not use."""
    import sentencepiece
    models = {"t5_model": folder / "t5" / "spiece.model"}  # without the tokenizer.json beside it
    models["t5_model"].parent.mkdir()
    models["t5_model"].write_bytes((data / "tokenizers" / "t5" / "spiece.model").read_bytes())

    def train(name, **options):
        sentencepiece.SentencePieceTrainer.train(
            input=str(data / "corpora" / "opennmt-ende" / "train.de"), num_threads=1,
            model_prefix=str(folder / name), vocab_size=1000, minloglevel=2, **options)
        models[name] = folder / (name + ".model")

    kept = ["New York", "<ent>", "世界", "fo"]
    train("unigram_kept", user_defined_symbols=kept, control_symbols=["<c>"])
    train("unigram_bytes", byte_fallback=True, normalization_rule_name="nfkc_cf")
    train("unigram_spaces", add_dummy_prefix=False, remove_extra_whitespaces=False,
          normalization_rule_name="identity", split_by_whitespace=False)
    train("unigram_suffix", treat_whitespace_as_suffix=True)
    train("bpe", model_type="bpe")
    train("word", model_type="word")
    for name in ("unigram", "bpe"):
        train(name + "_unused", model_type=name)
        leave_out(models[name + "_unused"])
    train("bpe_kept", model_type="bpe", user_defined_symbols=kept, byte_fallback=True,
          remove_extra_whitespaces=False, normalization_rule_name="identity")
    return models


def library_of(path):
    if path.suffix == ".model":
        return SentencePiece(path)
    import tokenizers
    if path.is_dir():
        made = tokenizers.Tokenizer(tokenizers.models.BPE.from_file(str(path / "vocab.json"),
                                                                    str(path / "merges.txt")))
        made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.add_special_tokens(["<|endoftext|>"])
    else:
        made = tokenizers.Tokenizer.from_file(str(path))
    made.no_truncation()
    made.no_padding()
    return made


def lines_of(files):
    """As Heed reads them: without line feeds, nor the carriage return before one."""
    lines = []
    for file in files:
        found = pathlib.Path(file).read_bytes().split(b"\n")
        lines += found if found[-1] else found[:-1]
    return [line.rstrip(b"\r") for line in lines]


def differing(line, theirs, ours):
    """Names of the fields in which two encodings differ; a library may have ids alone."""
    fields = [("ids", theirs.ids, ours["ids"])]
    if theirs.tokens is not None:
        fields.append(("tokens", theirs.tokens, ours["tokens"]))
    if theirs.offsets is not None:
        starts = byte_starts(line)
        fields += [("offsets", [list(o) for o in theirs.offsets], ours["offsets"]),
                   ("byte_offsets", [[starts[a], starts[b]] for a, b in theirs.offsets],
                    ours["byte_offsets"])]
    if theirs.word_ids is not None:
        fields.append(("words", [-1 if word is None else word for word in theirs.word_ids],
                       ours["words"]))
    return [field for field, a, b in fields if a != b]


def compare(heed, name, path, library, lines, folder, shown):
    """How many lines differ, but for those that the library has an explanation for."""
    explains = getattr(library, "explains", None)
    file = folder / "lines.txt"
    different = explained = tokens = 0
    for first in range(0, len(lines), CHUNK):
        chunk = lines[first:first + CHUNK]
        file.write_bytes(b"".join(line + b"\n" for line in chunk))
        got = run_heed(heed, str(path), str(file))
        assert len(got) == len(chunk), (len(got), len(chunk))
        for line, ours in zip(chunk, got):
            text = line.decode("utf-8", "replace")
            theirs = library.encode(text)
            tokens += len(theirs.ids)
            wrong = differing(line, theirs, ours)
            if not wrong:
                continue
            known = explains is not None and explains(text, ours["ids"])
            explained += known
            different += not known
            if (explained if known else different) <= shown:
                print(f"  {name}: {', '.join(wrong)} differ on {line!r}"
                      f"{', not from sentencepiece' if known else str()}\n"
                      f"    library {theirs.tokens or theirs.ids} {theirs.offsets or str()}\n"
                      f"    heed    {ours['tokens']} {ours['offsets']} {ours['ids']}")
    also = f", {explained} as sentencepiece and not as the class" if explains else ""
    print(f"{name}: {len(lines)} lines, {tokens} tokens, {different} differ{also}", flush=True)
    return different


def tokenizer_files(options, folder):
    """The files or folders compared, by name."""
    files = {}

    def add(base, make):
        for name, settings in make(json.loads(base.read_text())).items():
            files[name] = folder / (name + ".json")
            files[name].write_text(json.dumps(settings))

    if options.sentencepiece:
        return sentencepiece_models(options.data, folder)
    if options.transformers:
        folders = write_folders(options.data, folder, options.only)
        for name, path in folders.items():
            files |= {name: path} | write_json(name, path, folder)
        return files
    if options.model:
        files["minilm"] = pathlib.Path(options.model) / "tokenizer.json"
        add(files["minilm"], variants)
    if options.data:
        files["gpt2"] = options.data / "tokenizers" / "gpt2"
        files["roberta"] = options.data / "tokenizers/roberta-base/tokenizer.json"
        add(files["roberta"], bpe_variants)
        files["t5"] = options.data / "tokenizers/t5/tokenizer.json"
        add(files["t5"], unigram_variants)
    return files


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--heed", default="build/release/heed")
    parser.add_argument("--model", help="MiniLM's folder")
    parser.add_argument("--data", type=pathlib.Path, help="the shared data's folder")
    parser.add_argument("--file", nargs="+", help="texts, a line each, instead of made ones")
    parser.add_argument("--lines", type=int, default=100000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=5)
    parser.add_argument("--only", nargs="+", help="names of tokenizers")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--sentencepiece", action="store_true", help="compare .model files")
    how.add_argument("--transformers", action="store_true", help="compare folders of known classes")
    options = parser.parse_args()

    if options.file:
        lines = lines_of(options.file)
    else:
        maker = Maker(options.seed)
        lines = [maker.line() for _ in range(options.lines)]
    content = b"".join(line + b"\n" for line in lines)
    library = importlib.import_module("sentencepiece" if options.sentencepiece else
                                      "transformers" if options.transformers else "tokenizers")
    print(f"{library.__name__} {library.__version__}, Unicode of the generator "
          f"{unicodedata.unidata_version}, seed {options.seed}")
    print(f"input: {len(lines)} lines, {len(content)} bytes, sha256 "
          f"{hashlib.sha256(content).hexdigest()}")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        different = 0
        for name, path in tokenizer_files(options, folder).items():
            if options.only is not None and name not in options.only:
                continue
            if options.transformers and path.is_dir():
                some = lines[:MARIAN_LINES] if name == "marian" else lines
                different += compare(options.heed, name, path, ClassTokenizer(name, path), some,
                                     folder, options.show)
                continue
            hashed = path / "merges.txt" if path.is_dir() else path
            print(f"{name}: sha256 {hashlib.sha256(hashed.read_bytes()).hexdigest()}")
            different += compare(options.heed, name, path, library_of(path), lines, folder,
                                 options.show)
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
