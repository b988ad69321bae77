#!/usr/bin/env python3
"""Writes heed/lessons/race_record.cc, what `heed explain recurrent` shows at once.

    heed explain recurrent --run --threads 2 --json | tools/record_race.py "2 cores, AVX-512"

The argument says what class of machine it ran on. Needs Python alone.
"""

import json
import pathlib
import sys

FILE = pathlib.Path(__file__).resolve().parent.parent / "heed" / "lessons" / "race_record.cc"
TABLES = {"parameters": "racers", "words": "words copied", "copies": "sentences copied",
          "verbs": "verbs agreed", "nested": "verbs by subjects",
          "update_ms": "milliseconds", "reach_new": "reach before training",
          "reach_trained": "reach after training"}


def number(value):
    if value is None:  # JSON has no infinity: nothing reached the first word
        return "-kInfinity"
    text = f"{value:.5g}"
    return text + ("F" if any(c in text for c in ".e") else ".0F")


def table(values):
    rows = [", ".join(number(value) for value in row) + "," for row in values]
    return "Tensor::from(\n{" + "  //\n".join(rows).rstrip(",") + f"}},\n{{{len(values)}, {len(values[0])}}})"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip())
    steps = {step["name"]: step for step in json.load(sys.stdin)["steps"]}
    seed, threads, *_, seconds = steps["run"]["values"][0]
    fields = "".join(f".{field} = {table(steps[name]['values'])},\n"
                     for field, name in TABLES.items())
    FILE.write_text(f"""// Written by tools/record_race.py from `heed explain recurrent --run --json`.

#include <limits>

#include "heed/lessons/race.h"

namespace heed::lessons_internal {{
namespace {{
[[maybe_unused]] constexpr float kInfinity = std::numeric_limits<float>::infinity();
}}

RaceResult recorded_race() {{
  return {{.machine = "{sys.argv[1]}",
          .seed = {seed:.0f},
          .threads = {threads:.0f},
          .seconds = {number(seconds)},
{fields}}};
}}

}}  // namespace heed::lessons_internal
""")


if __name__ == "__main__":
    main()
