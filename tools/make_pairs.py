#!/usr/bin/env python3
"""Makes pairs of related words for heed look --roles from corpora that others labelled:

  make_pairs.py winogender FOLDER > pronouns.csv    who a pronoun means (all_sentences.tsv)
  make_pairs.py wnut17 FOLDER > entities.csv        names of people, places and things (test.conll)

Needs Python alone; equal input gives equal output. Words that are there twice are named as heed names
them, "bank:2". Sentences that cannot be read without doubt (a pronoun twice, an entity with marks in
its name) are left out. The corpora are winogender-schemas (Rudinger et al., 2018) and WNUT 2017
(Derczynski et al., 2017); neither they nor what is made of them belongs into the project.
"""
import csv
import pathlib
import random
import re
import sys

WORD = re.compile(r"\w+|[^\w\s]")
PRONOUNS = {"he", "she", "they", "him", "her", "them", "his", "their"}


def named(words, at):
    """Word `at` as heed names it among the words of its text, whatever their case."""
    same = [i for i, word in enumerate(words) if word.lower() == words[at].lower()]
    exact = [i for i, word in enumerate(words) if word == words[at]]
    places = exact if exact else same
    return words[at] if len(places) == 1 else f"{words[at]}:{places.index(at) + 1}"


def winogender(folder):
    with open(folder / "all_sentences.tsv", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            occupation, participant, answer = row["sentid"].split(".")[:3]
            words = WORD.findall(row["sentence"])
            lower = [word.lower() for word in words]
            pronouns = [i for i, word in enumerate(lower) if word in PRONOUNS]
            meant, other = (participant, occupation) if answer == "1" else (occupation, participant)
            if len(pronouns) != 1 or lower.count(meant) != 1 or lower.count(other) != 1:
                continue
            for word, relation in ((meant, "pronoun to whom it means"),
                                   (other, "pronoun to the other person")):
                yield (row["sentence"], named(words, pronouns[0]), named(words, lower.index(word)),
                       relation)


def sentences(path):
    rows = []
    for line in path.read_text().splitlines() + [""]:
        if line.strip():
            rows.append(line.rsplit("\t", 1))
        elif rows:
            yield [row[0] for row in rows], [row[1] for row in rows]
            rows = []


def entities(labels):
    """(first, last, kind) of each."""
    start = None
    for i, label in enumerate(labels + ["O"]):
        if start is not None and not label.startswith("I-"):
            yield start, i - 1, labels[start][2:]
            start = None
        if label.startswith("B-"):
            start = i


def wnut17(folder):
    draw = random.Random(17)
    for words, labels in sentences(folder / "test.conll"):
        if not all(word.isascii() for word in words) or len(words) > 60:
            continue
        text = " ".join(words)
        pieces = WORD.findall(text.replace("_", "-"))
        if "_" in text or pieces != words:
            continue
        for first, last, kind in entities(labels):
            if not all(word.isalpha() for word in words[first:last + 1]):
                continue
            if last > first:
                yield text, named(words, last), named(words, first), "last word of an entity to its first"
            far = [i for i, word in enumerate(words)
                   if labels[i] == "O" and word.isalpha() and min(abs(i - first), abs(i - last)) > 2]
            if far:
                name = f"a {kind}" if kind in ("person", "location") else "another entity"
                yield text, named(words, draw.choice(far)), named(words, first), f"far word to {name}"


def main():
    makers = {"winogender": winogender, "wnut17": wnut17}
    if len(sys.argv) != 3 or sys.argv[1] not in makers:
        sys.exit(__doc__.strip())
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["text", "from-word", "to-word", "relation"])
    out.writerows(makers[sys.argv[1]](pathlib.Path(sys.argv[2])))


if __name__ == "__main__":
    main()
