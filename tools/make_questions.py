#!/usr/bin/env python3
"""Writes a text whose answers can only be foretold by looking back: lines of a word of each of four kinds, then
the kinds, each with the line's word of that kind.

    tools/make_questions.py [LINES] > questions.txt
"""

import random
import sys

KINDS = {"animal": "cat dog fox owl hen bee", "colour": "red blue green black white pink",
         "fruit": "plum pear fig lime apple cherry", "number": "two three five six seven nine"}


def line(rng):
    words = {kind: rng.choice(of_kind.split()) for kind, of_kind in KINDS.items()}
    given, asked = rng.sample(list(words), 4), rng.sample(list(words), 4)
    return " ".join(["Given", *(words[kind] for kind in given)]) + ": " + " ".join(
        f"{kind} {words[kind]}" for kind in asked)


def main():
    rng = random.Random(1)
    for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 20000):
        print(line(rng))


if __name__ == "__main__":
    main()
