"""llama.cpp's side of bench/generate.py: reading prompts and writing on, greedily.

Answers jobs, one JSON object a line. Below llama-cpp-python's own classes, so that nothing but
llama.cpp is timed.
"""
import ctypes
import json
import sys
import time

import llama_cpp as llama
import numpy as np

from peer import clock, peak_bytes


def prompts(job, vocab):
    return [[(row * 7919 + i) * 2654435761 % 2**64 % 1000003 % vocab for i in range(job["prompt"])]
            for row in range(job["batch"])]


class Texts:
    def __init__(self, path, job):
        llama.llama_log_set(QUIET, None)
        start = time.monotonic()
        self.model = llama.llama_model_load_from_file(path.encode(), llama.llama_model_default_params())
        self.load_seconds = time.monotonic() - start
        self.vocab = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(self.model))
        params = llama.llama_context_default_params()
        params.n_ctx = job["batch"] * (job["prompt"] + job["new"] + 32)
        params.n_batch = params.n_ubatch = max(512, job["batch"])
        params.n_seq_max = job["batch"]
        params.n_threads = params.n_threads_batch = job["threads"]
        self.context = llama.llama_init_from_model(self.model, params)
        self.batch = llama.llama_batch_init(params.n_batch, 0, 1)
        self.most = params.n_batch

    def decode(self, tokens):
        """Rows of (id, position, sequence, whether its logits are wanted)."""
        for begin in range(0, len(tokens), self.most):
            part = tokens[begin:begin + self.most]
            self.batch.n_tokens = len(part)
            for i, (token, position, sequence, wanted) in enumerate(part):
                self.batch.token[i], self.batch.pos[i] = token, position
                self.batch.n_seq_id[i], self.batch.seq_id[i][0] = 1, sequence
                self.batch.logits[i] = wanted
            if llama.llama_decode(self.context, self.batch) != 0:
                raise SystemExit("llama_decode failed")
        return [i for i, one in enumerate(part) if one[3]]

    def likeliest(self, place):
        logits = llama.llama_get_logits_ith(self.context, place)
        array = np.ctypeslib.as_array(ctypes.cast(logits, ctypes.POINTER(ctypes.c_float)), (self.vocab,))
        return int(array.argmax())

    def read(self, rows):
        """The first new token of each row; rows go one after another, as each has its own prompt."""
        first = []
        for sequence, row in enumerate(rows):
            last = self.decode([(token, i, sequence, i + 1 == len(row)) for i, token in enumerate(row)])
            first.append(self.likeliest(last[0]))
        return first

    def write(self, job):
        llama.llama_memory_clear(llama.llama_get_memory(self.context), True)
        rows = prompts(job, self.vocab)
        start = clock(job["threads"])
        newest = self.read(rows)
        first = clock(job["threads"])
        ids = [newest[0]]
        for step in range(job["new"]):
            places = self.decode([(token, job["prompt"] + step, i, True) for i, token in enumerate(newest)])
            newest = [self.likeliest(place) for place in places]
            ids.append(newest[0])
        end = clock(job["threads"])
        return {"prompt_seconds": first - start, "new_seconds": end - first, "ids": ids,
                "peak_bytes": peak_bytes()}

    def close(self):
        llama.llama_batch_free(self.batch)
        llama.llama_free(self.context)
        llama.llama_model_free(self.model)


QUIET = llama.llama_log_callback(lambda level, text, data: None)


def main():
    texts, key = None, None
    for line in sys.stdin:
        job = json.loads(line)
        asked = (job["model"], job["batch"], job["prompt"], job["new"], job["threads"])
        load = 0
        if asked != key:
            if texts:
                texts.close()
            texts, key = Texts(job["model"], job), asked
            load = texts.load_seconds
        print(json.dumps({**texts.write(job), "load_seconds": load}), flush=True)


if __name__ == "__main__":
    main()
