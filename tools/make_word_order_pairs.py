#!/usr/bin/env python3
"""Writes English-German sentence pairs of a small grammar, for docs/look.md: enough for a model of minutes to learn,
and with the verb at the other end, so that an alignment has something to show.

    tools/make_word_order_pairs.py FOLDER [--pairs 12000] [--seed 0]

FOLDER gets train.tsv and valid.tsv, an English and a German sentence a line, no sentence in both, and roles.csv, for
`heed look --roles`: the words of the valid pairs that were made of each other.
"""

import argparse
import pathlib
import random

# English, German, which form of the verbs below
SUBJECTS = [("I", "ich", 0), ("we", "wir", 1), ("they", "sie", 1), ("the man", "der Mann", 2),
            ("the woman", "die Frau", 2), ("my sister", "meine Schwester", 2), ("our friends", "unsere Freunde", 1),
            ("the teacher", "der Lehrer", 2)]
# English for I/we/they and for he/she; German for ich, wir and er; whether a participle follows
HELPERS = [("have", "has", ("habe", "haben", "hat"), True), ("want to", "wants to", ("will", "wollen", "will"), False),
           ("can", "can", ("kann", "können", "kann"), False), ("must", "must", ("muss", "müssen", "muss"), False)]
# infinitive and participle of both
VERBS = [("buy", "bought", "kaufen", "gekauft"), ("see", "seen", "sehen", "gesehen"),
         ("find", "found", "finden", "gefunden"), ("sell", "sold", "verkaufen", "verkauft"),
         ("paint", "painted", "malen", "gemalt"), ("show", "shown", "zeigen", "gezeigt"),
         ("bring", "brought", "bringen", "gebracht"), ("lose", "lost", "verlieren", "verloren")]
ADJECTIVES = [("red", "rot"), ("old", "alt"), ("small", "klein"), ("new", "neu"), ("beautiful", "schön"),
              ("green", "grün"), ("heavy", "schwer")]
NOUNS = [("car", "Auto", "n"), ("house", "Haus", "n"), ("dog", "Hund", "m"), ("book", "Buch", "n"),
         ("table", "Tisch", "m"), ("lamp", "Lampe", "f"), ("clock", "Uhr", "f"), ("chair", "Stuhl", "m"),
         ("picture", "Bild", "n"), ("bag", "Tasche", "f")]
ARTICLES = {  # English, German and the adjective's ending, in the accusative
    "m": [("a", "einen", "en"), ("the", "den", "en")],
    "f": [("a", "eine", "e"), ("the", "die", "e")],
    "n": [("a", "ein", "es"), ("the", "das", "e")]}
TIMES = [("today", "heute"), ("yesterday", "gestern"), ("this morning", "heute Morgen"), ("again", "wieder"), None, None]


def sentence(draw):
    """English, German, and by relation a word of each."""
    subject, subjekt, form = draw.choice(SUBJECTS)
    plain, third, hilfsverben, perfect = draw.choice(HELPERS)
    infinitive, participle, infinitiv, partizip = draw.choice(VERBS)
    noun, nomen, gender = draw.choice(NOUNS)
    article, artikel, ending = draw.choice(ARTICLES[gender])
    adjective, adjektiv = draw.choice(ADJECTIVES)
    time = draw.choice(TIMES)
    helper = third if form == 2 else plain
    english = [subject, helper, participle if perfect else infinitive, article, adjective, noun]
    verb, end = hilfsverben[form], partizip if perfect else infinitiv
    german = [artikel, adjektiv + ending, nomen, end]
    if time is None:
        german = [subjekt, verb, *german]
    elif draw.random() < 0.5:  # in front, and the verb stays second
        english, german = [time[0], *english], [time[1], verb, subjekt, *german]
    else:
        english, german = [*english, time[0]], [subjekt, verb, time[1], *german]
    links = {"verb at the end": (end, participle if perfect else infinitive), "helping verb": (verb, helper.split()[0]),
             "adjective": (adjektiv + ending, adjective), "noun": (nomen, noun)}
    return " ".join(english) + ".", " ".join(german) + ".", links


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--pairs", type=int, default=12000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    pairs = {}
    while len(pairs) < options.pairs:
        english, german, links = sentence(draw)
        pairs[english[0].upper() + english[1:]] = (german[0].upper() + german[1:], links)
    lines = [f"{english}\t{german}\n" for english, (german, _) in pairs.items()]
    roles = ["text,target,from-word,to-word,relation\n"]
    for english, (german, links) in list(pairs.items())[:200]:
        roles += [f"{english},{german},{a},{b},{relation}\n" for relation, (a, b) in links.items()]
    options.folder.mkdir(parents=True, exist_ok=True)
    (options.folder / "valid.tsv").write_text("".join(lines[:200]), encoding="utf-8")
    (options.folder / "train.tsv").write_text("".join(lines[200:]), encoding="utf-8")
    (options.folder / "roles.csv").write_text("".join(roles), encoding="utf-8")


if __name__ == "__main__":
    main()
