#!/usr/bin/env python3
"""Compares chat templates rendered by Heed with transformers' own rendering of them.

    python tools/compare_templates.py FOLDER --program build/release/examples/example_apply_template

FOLDER holds templates (*.jinja), such as those of llama.cpp's models/templates. Each renders the
conversations below, with and without system messages, tools, tool calls and their results, reasoning
and options; the texts must be equal byte for byte, and where transformers refuses (a template that
raises an exception, a conversation that it cannot render) Heed must refuse too. Prints one line a
template and the first difference of each; the exit status is 1 if there is any.

Needs the PyPI package transformers (and with it jinja2).
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import jinja2
import transformers
from transformers.utils.chat_template_utils import render_jinja_template

WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "The weather of a place.\nOf today.",
    "parameters": {"type": "object", "properties": {
        "city": {"type": "string", "description": "Größe \"Stadt\" <b>"},
        "unit": {"type": "string", "enum": ["c", "f"]},
        "days": {"type": "integer", "default": 1, "minimum": 0.5},
        "tags": {"type": "array", "items": {"type": "string"}}},
        "required": ["city"]}}}
SEARCH = {"type": "function", "function": {
    "name": "search", "description": "Finds texts.", "parameters": {
        "type": "object", "properties": {"query": {"type": ["string", "null"]}}, "required": []}}}


def call(name, arguments, number="call00001"):
    return {"id": number, "type": "function", "function": {"name": name, "arguments": arguments}}


USER = {"role": "user", "content": "Hello,  world!\n"}
SYSTEM = {"role": "system", "content": " You are kind.\n"}
ANSWER = {"role": "assistant", "content": "Hi <there> & \"you\" 你好"}
MORE = {"role": "user", "content": "And now?"}
RESULT = {"role": "tool", "name": "get_weather", "tool_call_id": "call00001",
          "content": "{\"degrees\": 21.5}"}
CALL = {"role": "assistant", "content": "", "tool_calls": [
    call("get_weather", {"city": "Köln", "unit": "c", "days": 2, "tags": ["a", "b"]})]}
CALL_NONE = {"role": "assistant", "content": None, "tool_calls": CALL["tool_calls"]}
CALL_TEXT = {"role": "assistant", "content": "Let me see.", "tool_calls": [
    call("get_weather", "{\"city\": \"Paris\"}"),
    call("search", "{\"query\": null}", "call00002")]}
THOUGHT = {"role": "assistant", "content": "<think>\nhm\n</think>\n\nYes."}
REASONED = {"role": "assistant", "content": "Yes.", "reasoning_content": "It is so."}
PARTS = {"role": "user", "content": [{"type": "text", "text": "A picture?"},
                                     {"type": "text", "text": "No."}]}

# name, messages, tools, variables
CASES = [
    ("user", [USER], None, {}),
    ("no prompt", [USER], None, {"add_generation_prompt": False}),
    ("system", [SYSTEM, USER], None, {}),
    ("turns", [SYSTEM, USER, ANSWER, MORE], None, {}),
    ("ends with an answer", [USER, ANSWER], None, {"add_generation_prompt": False}),
    ("two users", [USER, MORE], None, {}),
    ("answer first", [ANSWER, USER], None, {}),
    ("tools", [SYSTEM, USER], [WEATHER, SEARCH], {}),
    ("tools, no system", [USER], [WEATHER], {}),
    ("call", [USER, CALL, RESULT], [WEATHER], {}),
    ("call without content", [SYSTEM, USER, CALL_NONE, RESULT, ANSWER, MORE], [WEATHER, SEARCH], {}),
    ("calls as text", [USER, CALL_TEXT, RESULT, {**RESULT, "tool_call_id": "call00002"}, ANSWER],
     [WEATHER, SEARCH], {"add_generation_prompt": False}),
    ("thought", [USER, THOUGHT, MORE], None, {}),
    ("reasoned", [USER, REASONED, MORE, REASONED], None, {}),
    ("reasoned call", [USER, {**CALL, "reasoning_content": "I need it."}, RESULT], [WEATHER], {}),
    ("no thinking", [USER], None, {"enable_thinking": False, "thinking": False}),
    ("thinking", [SYSTEM, USER], None, {"enable_thinking": True, "thinking": True,
                                        "reasoning_effort": "high"}),
    ("parts", [SYSTEM, PARTS], None, {}),
    ("nothing", [], None, {}),
    ("stranger", [{"role": "stranger", "content": "Who?"}], None, {}),
]
TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}


def theirs(template, messages, tools, variables):
    """The text, or the exception's name and message."""
    settings = {**TOKENS, "add_generation_prompt": True, **variables}
    try:
        return render_jinja_template([messages], tools=tools, chat_template=template,
                                     **settings)[0][0], None
    except Exception as error:  # templates raise what Python has
        return None, f"{type(error).__name__}: {error}"


def ours(program, path, folder, messages, tools, variables):
    files = []
    for name, value in (("messages", messages), ("tools", tools),
                        ("variables", {**TOKENS, **variables})):
        files.append(folder / f"{name}.json")
        files[-1].write_text("" if value is None else json.dumps(value))
    run = subprocess.run([program, path, *files], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if run.returncode not in (0, 1):
        sys.exit(f"{path}: {run.stderr.decode()}")
    text = run.stdout.decode() if run.returncode == 0 else None
    return text, run.stderr.decode().strip() or None


def compare(program, path, folder):
    """How many conversations are equal, refused by both, and different; prints the first of those."""
    template = path.read_text()
    equal = refused = different = 0
    for name, messages, tools, variables in CASES:
        want, why = theirs(template, messages, tools, variables)
        got, what = ours(program, path, folder, messages, tools, variables)
        if want == got:
            equal += want is not None
            refused += want is None
            continue
        different += 1
        if different == 1:
            print(f"  {path.name}, {name}:\n    transformers {want!r} {why or ''}\n"
                  f"    heed         {got!r} {what or ''}")
    return equal, refused, different


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--program", default="build/release/examples/example_apply_template")
    options = parser.parse_args()
    print(f"transformers {transformers.__version__}, jinja2 {jinja2.__version__}, "
          f"{len(CASES)} conversations a template")
    totals = [0, 0, 0]
    paths = sorted(options.folder.glob("*.jinja"))
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            counts = compare(options.program, path, pathlib.Path(folder))
            print(f"{path.name}: {counts[0]} equal, {counts[1]} refused by both, "
                  f"{counts[2]} differ", flush=True)
            totals = [a + b for a, b in zip(totals, counts)]
    print(f"{len(paths)} templates: {totals[0]} equal, {totals[1]} refused by both, "
          f"{totals[2]} differ")
    sys.exit(1 if totals[2] else 0)


if __name__ == "__main__":
    main()
