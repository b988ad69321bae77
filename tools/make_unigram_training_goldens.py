#!/usr/bin/env python3
"""Writes tests/golden/unigram_training.json: which pieces sentencepiece's Unigram trainer learns from small texts.

    python tools/make_unigram_training_goldens.py

Needs sentencepiece 0.2.1: 0.2.3 learns otherwise (docs/records/tokenizer-training.md). The texts are
drawn with a seed: words of stems and endings, some frequent, with punctuation, in several scripts.
"""

import io
import json
import pathlib
import random

import sentencepiece

STEMS = ["walk", "talk", "jump", "quick", "look", "Rück", "größ", "schön", "лес", "мор", "東京", "京都", "カメラ", "vol"]
ENDINGS = ["", "", "ing", "ed", "s", "er", "ely", "en", "е", "ом", "の", "-up", "e\u0301", "2", "99"]
MARKS = ["", "", "", ",", ".", "!", '."']


def lines(seed, count):
    draw = random.Random(seed)
    words = [stem + ending for stem in STEMS for ending in ENDINGS]
    draw.shuffle(words)
    weights = [1 / (rank + 3) for rank in range(len(words))]
    return [" ".join(word + draw.choice(MARKS) for word in draw.choices(words, weights, k=draw.randint(1, 9)))
            for _ in range(count)]


def trained(texts, vocab):
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=out, vocab_size=vocab, character_coverage=1.0, num_threads=1,
        pad_id=0, eos_id=1, unk_id=2, bos_id=-1, hard_vocab_limit=False, minloglevel=2)
    made = sentencepiece.SentencePieceProcessor(model_proto=out.getvalue())
    return [[made.id_to_piece(i), round(made.get_score(i), 6)] for i in range(3, made.get_piece_size())]


def main():
    assert sentencepiece.__version__ == "0.2.1", sentencepiece.__version__
    path = pathlib.Path(__file__).parent.parent / "tests" / "golden" / "unigram_training.json"
    entries = []
    for seed, count, vocab in ((1, 300, 80), (2, 500, 110), (3, 200, 400)):
        texts = lines(seed, count)
        entries.append({"vocab": vocab, "texts": texts, "pieces": trained(texts, vocab)})
    golden = {"made_by": "tools/make_unigram_training_goldens.py", "sentencepiece": sentencepiece.__version__}
    body = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
    path.write_text(json.dumps(golden)[:-1] + ', "entries": [\n' + body + "\n]}\n")


if __name__ == "__main__":
    main()
