#!/usr/bin/env python3
"""Compares `heed tokenizer train` with the trainers of the `tokenizers` library, and of sentencepiece.

    python tools/compare_trainers.py --heed build/release/heed FILE... [--vocab 300,1000,4096]

For each file, kind and size: pieces (with their ids) and merges must be the same, the library must
load Heed's tokenizer.json, and both must encode every line of the file and of a few difficult texts
to the same ids and tokens, and decode them to the same text. Prints a line a tokenizer; the exit
status is 1 if anything differs.

Unigram is compared with sentencepiece's trainer, which adds up in f32, so that ties fall otherwise with
another number of threads. How many pieces the two share (99 % at least), how far their log probabilities
are apart, tokens and log probability a line are printed, beside what sentencepiece with 16 threads shares
with itself with one; Heed must cut the text as `tokenizers` does with Heed's file. The release decides:
0.2.1 is the one that Heed follows.

The library gives ids to continuing characters ("##e") in the order of a hash map that changes from
run to run, and breaks ties by ids. So its WordPiece trainer gets the same fixed order from outside:
the characters and continuing characters as special tokens of both.
"""

import argparse
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import sentencepiece
import tokenizers
from tokenizers import (Tokenizer, decoders, models, normalizers, pre_tokenizers, processors,
                        trainers)

DIFFICULT = ["", " ", "\n\n a\tb  ", "naïve café Größe", "你好 world世界", "👩\u200d👩\u200d👧 ok", "don't WON'T",
             "\u0000\u0085\ufeff", "<|endoftext|>x<|endoftext|>", "[CLS] [MASK]a", "3.14 1,000 ½ Ⅷ"]
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def texts_of(file):
    """Lines with their ends, cut at line feeds alone."""
    parts = file.read_bytes().decode("utf-8", "replace").split("\n")
    texts = [part + "\n" for part in parts[:-1]]
    return texts + ([parts[-1]] if parts[-1] else [])


def library_bpe(texts, vocab, lowercase):
    made = Tokenizer(models.BPE())
    if lowercase:
        made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.post_processor = processors.ByteLevel(trim_offsets=False)
    made.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=vocab, min_frequency=2, special_tokens=["<|endoftext|>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return made, []


def library_wordpiece(texts, vocab, lowercase):
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    words = {word for text in texts
             for word, _ in made.pre_tokenizer.pre_tokenize_str(made.normalizer.normalize_str(text))}
    first = sorted({c for word in words for c in word})
    special = BERT + first + ["##" + c for c in sorted({c for word in words for c in word[1:]})]
    made.train_from_iterator(texts, trainers.WordPieceTrainer(
        vocab_size=vocab, min_frequency=2, special_tokens=special, show_progress=False))
    # as Heed writes it: those are no special tokens of the result
    settings = json.loads(made.to_str())
    settings["added_tokens"] = settings["added_tokens"][:len(BERT)]
    settings["post_processor"] = {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}
    return Tokenizer.from_str(json.dumps(settings)), special


def library_chars(texts, vocab, lowercase):
    made = Tokenizer(models.BPE())
    if lowercase:
        made.normalizer = normalizers.Lowercase()
    made.decoder = decoders.Fuse()
    made.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=0, special_tokens=[], show_progress=False))
    return made, []


LIBRARY = {"bpe": library_bpe, "wordpiece": library_wordpiece, "characters": library_chars}


def sentencepiece_unigram(texts, vocab, threads):
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(text.rstrip("\n") for text in texts), model_writer=out, vocab_size=vocab,
        character_coverage=1.0, max_sentence_length=2**30, num_threads=threads, pad_id=0, eos_id=1, unk_id=2,
        bos_id=-1, minloglevel=2)
    return sentencepiece.SentencePieceProcessor(model_proto=out.getvalue())


def scores_of(processor):
    return {processor.id_to_piece(i): processor.get_score(i) for i in range(3, processor.get_piece_size())}


def agreement(a, b):
    """In words, and whether it is good enough."""
    both = a.keys() & b.keys()
    apart = max(abs(a[piece] - b[piece]) for piece in both)
    return f"{len(both)} of {len(b)}, log probabilities up to {apart:.4f} apart", len(both) >= 0.99 * len(b)


def compare_unigram(options, file, vocab, folder):
    texts = texts_of(file)
    start = time.perf_counter()
    processor = sentencepiece_unigram(texts, vocab, 1)
    library_seconds = time.perf_counter() - start
    path = folder / "tokenizer.json"
    start = time.perf_counter()
    train(options.heed, file, "unigram", vocab, path)
    seconds = time.perf_counter() - start
    library = Tokenizer.from_file(str(path))
    ours, theirs = dict(json.loads(path.read_text())["model"]["vocab"][3:]), scores_of(processor)
    shared, good = agreement(ours, theirs)
    again, _ = agreement(scores_of(sentencepiece_unigram(texts, vocab, 16)), theirs)
    cuts = [library.encode(text, add_special_tokens=False).tokens for text in texts]
    sums = [sum(map(len, cuts)), sum(ours.get(piece, 0) for cut in cuts for piece in cut)]
    ids = [processor.encode(text.rstrip("\n")) for text in texts]
    sums += [sum(map(len, ids)), sum(processor.get_score(i) for row in ids for i in row)]
    tokens, likelihood, their_tokens, their_likelihood = (value / len(texts) for value in sums)
    found = ([] if good else ["pieces"]) + heed_differs(options.heed, path, library, texts + DIFFICULT, folder)
    print(f"{file.name} unigram {vocab}: pieces of sentencepiece {shared} (with 16 threads {again}); tokens a line "
          f"{tokens:.4f}, sentencepiece {their_tokens:.4f}; log probability a line {likelihood:.4f}, "
          f"{their_likelihood:.4f}; {'; '.join(found) if found else 'cuts equal'} "
          f"(sentencepiece {library_seconds:.1f} s, heed {seconds:.1f} s)", flush=True)
    return bool(found)


def differences(ours, theirs, texts):
    """What differs between two tokenizers of the library, Heed's file being the first."""
    a, b = json.loads(ours.to_str())["model"], json.loads(theirs.to_str())["model"]
    found = [name for name in ("vocab", "merges") if a.get(name) != b.get(name)]
    for text in texts:
        x, y = ours.encode(text), theirs.encode(text)
        if (x.ids, x.tokens, x.offsets) != (y.ids, y.tokens, y.offsets):
            found.append(f"encoding of {text!r}")
            break
        if ours.decode(x.ids, skip_special_tokens=False) != theirs.decode(
                y.ids, skip_special_tokens=False):
            found.append(f"decoding of {text!r}")
            break
    return found


def heed_differs(heed, path, library, texts, folder):
    """Heed's own encodings of lines against the library's with Heed's file."""
    lines = [text.replace("\n", " ").rstrip("\r") for text in texts]  # one a line for Heed
    file = folder / "lines.txt"
    file.write_bytes(b"".join(line.encode() + b"\n" for line in lines))
    out = subprocess.run([heed, "tokens", "--json", "--model", path, "--file", file], check=True,
                         stdout=subprocess.PIPE).stdout
    got = [json.loads(line) for line in out.split(b"\n")[:-1]]
    assert len(got) == len(lines), (len(got), len(lines))
    for line, ours in zip(lines, got):
        theirs = library.encode(line)
        if theirs.ids != ours["ids"] or [list(o) for o in theirs.offsets] != ours["offsets"]:
            return [f"Heed's encoding of {line!r}"]
    return []


def train(heed, file, kind, vocab, path, *more):
    subprocess.run([heed, "tokenizer", "train", file, "--kind", kind, "--vocab", str(vocab), "--save", path,
                    "--quiet", *more], check=True, stdout=subprocess.DEVNULL)


def compare(options, file, kind, vocab, lowercase, folder):
    texts = texts_of(file)
    start = time.perf_counter()
    theirs, special = LIBRARY[kind](texts, vocab, lowercase)
    library_seconds = time.perf_counter() - start
    path = folder / "tokenizer.json"
    start = time.perf_counter()
    train(options.heed, file, kind, vocab, path, *(["--lowercase"] if lowercase else []))
    seconds = time.perf_counter() - start
    ours = Tokenizer.from_file(str(path))
    difficult = DIFFICULT if kind != "characters" else []  # it knows no other characters
    sample = texts + difficult
    found = differences(ours, theirs, sample)
    found += heed_differs(options.heed, path, ours, sample, folder)
    print(f"{file.name} {kind}{' lowercase' if lowercase else ''} {vocab}: "
          f"{ours.get_vocab_size()} pieces, {len(texts)} lines, "
          f"{'; '.join(found) if found else 'equal'} "
          f"(library {library_seconds:.1f} s, heed {seconds:.1f} s)", flush=True)
    return bool(found)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--heed", default="build/release/heed")
    parser.add_argument("--vocab", default="300,1000,4096,16384")
    parser.add_argument("--kinds", nargs="+", choices=[*LIBRARY, "unigram"],
                        default=[*LIBRARY, "unigram"])
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    options = parser.parse_args()
    print(f"tokenizers {tokenizers.__version__}, sentencepiece {sentencepiece.__version__}")
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for file in options.files:
            for lowercase in (False, True):
                for kind in options.kinds:
                    sizes = [4096] if kind == "characters" else map(int, options.vocab.split(","))
                    for vocab in sizes:
                        if kind != "unigram":
                            wrong += compare(options, file, kind, vocab, lowercase, pathlib.Path(folder))
                        elif not lowercase:  # sentencepiece folds cases instead
                            wrong += compare_unigram(options, file, vocab, pathlib.Path(folder))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
