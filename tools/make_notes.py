#!/usr/bin/env python3
"""Writes short notes of what happened in towns, each with a summary, for docs/summarize.md and docs/answer.md: a small
language of which a model of minutes learns to tell the news from the rest.

    tools/make_notes.py FOLDER [--notes 8000] [--seed 0]

FOLDER gets train.jsonl and valid.jsonl, a note ("source") and its summary ("target") a line, no note in both; day.txt, three
notes that are in neither; and questions.jsonl, of each note of train.jsonl a "question", the "context", the "answer" and the
character where it "start"s.
"""

import argparse
import json
import pathlib
import random

TOWNS = ["Arden", "Bramley", "Corby", "Dunmore", "Elston", "Farley", "Garston", "Holt", "Irby", "Kelso", "Lydford",
         "Marlow"]
PLACES = ["library", "bridge", "school", "market hall", "swimming pool", "museum", "railway station", "park"]
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
COUNTS = ["forty", "sixty", "ninety", "two hundred", "three hundred", "five hundred"]
VERBS = [("opened", "opens"), ("closed", "closes"), ("burned down", "loses")]
OTHERS = ["It rained all morning.", "There was cake for the children.", "The mayor spoke for an hour.", "A band played old songs.",
          "The police closed two roads.", "Nobody was hurt.", "The buses were late.", "Many people took photographs.",
          "The wind was cold.", "A dog ran across the square.", "The bakery sold out by noon.", "The bells rang at six."]


def note(draw):
    """The text, its summary, and questions with the part of the text that answers them."""
    town, place, day, count = (draw.choice(of) for of in (TOWNS, PLACES, DAYS, COUNTS))
    happened, tells = draw.choice(VERBS)
    news = draw.choice([f"The new {place} in {town} {happened} on {day}.", f"On {day} the {place} in {town} {happened}."])
    people = draw.choice([f"About {count} people came to see it.", f"The newspaper counted {count} people."])
    sentences = draw.sample(OTHERS, 3)
    sentences.insert(draw.randint(0, 2), news)
    sentences.insert(draw.randint(sentences.index(news) + 1, 4), people)
    questions = [(f"Which town has the {place}?", town), ("When did it happen?", day), ("How many people were there?", count)]
    return " ".join(sentences), f"{town} {tells} its {place} on {day}, and {count} people come.", questions


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--notes", type=int, default=8000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    notes = {}
    while len(notes) < options.notes:
        text, summary, questions = note(draw)
        notes[text] = (summary, questions)
    rows = [{"source": text, "target": summary} for text, (summary, _) in notes.items()]
    options.folder.mkdir(parents=True, exist_ok=True)
    valid = max(1, options.notes // 50)
    (options.folder / "day.txt").write_text("\n\n".join(row["source"] for row in rows[:3]) + "\n")
    (options.folder / "valid.jsonl").write_text(lines(rows[3:3 + valid]))
    (options.folder / "train.jsonl").write_text(lines(rows[3 + valid:]))
    asked = []
    for text, (_, questions) in list(notes.items())[3 + valid:]:
        question, answer = draw.choice(questions)
        asked.append({"question": question, "context": text, "answer": answer, "start": text.index(answer)})
    (options.folder / "questions.jsonl").write_text(lines(asked))


if __name__ == "__main__":
    main()
