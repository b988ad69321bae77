#!/usr/bin/env python3
"""Encode speed beside the `tokenizers` library, on one thread, line by line, in processor time.

    python bench/tokenizer.py build/bench/bench/bench_tokenizer MODEL_FOLDER TEXT_FILE

Prints the best of five runs of each and their ratio. The library's share holds what its Python
binding adds to a call.
"""

import json
import os
import pathlib
import subprocess
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
import tokenizers  # noqa: E402


def main():
    program, model, file = sys.argv[1:]
    content = pathlib.Path(file).read_bytes()
    library = tokenizers.Tokenizer.from_file(model + "/tokenizer.json")
    library.no_truncation()
    library.no_padding()
    lines = content.decode().removesuffix("\n").split("\n")
    theirs = []
    for _ in range(5):
        start = time.process_time()
        tokens = sum(len(library.encode(line).ids) for line in lines)
        theirs.append(time.process_time() - start)
    out = subprocess.run([program, model, file], check=True, stdout=subprocess.PIPE).stdout
    runs = [json.loads(line) for line in out.splitlines()]
    assert all(run["tokens"] == tokens for run in runs), (runs, tokens)
    ours = min(run["seconds"] for run in runs)
    print(f"{len(lines)} lines, {len(content) / 1e6:.2f} MB, {tokens} tokens")
    print(f"tokenizers {tokenizers.__version__}: {len(content) / min(theirs) / 1e6:.2f} MB/s")
    print(f"heed: {len(content) / ours / 1e6:.2f} MB/s, {min(theirs) / ours:.1f} times as fast")


if __name__ == "__main__":
    main()
