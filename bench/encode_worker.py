"""One peer in a process of its own: answers {"model", "graph", "lengths", "threads", "warm", "repeat"}
lines with times.

A process each, because idle thread pools of one peer spin and would slow the next one down.
Usage: encode_worker.py PEER
"""
import json
import sys

import numpy as np

from peer import clock
from texts import is_ragged, make_ids, make_mask


def torch_runner(job):
    import torch
    from transformers import AutoModel

    torch.set_num_threads(job["threads"])
    model = AutoModel.from_pretrained(job["model"], attn_implementation="sdpa", dtype=torch.float32)
    model.eval()
    ids = torch.from_numpy(make_ids(job["lengths"]))
    # without a mask is its best case
    mask = torch.from_numpy(make_mask(job["lengths"])) if is_ragged(job["lengths"]) else None

    def run():
        with torch.inference_mode():
            return model(ids, attention_mask=mask).last_hidden_state.numpy()

    return run


def feed_of(job):
    return {"input_ids": make_ids(job["lengths"]), "attention_mask": make_mask(job["lengths"])}


def onnxruntime_runner(job):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = job["threads"]
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = ort.InferenceSession(job["graph"], options, providers=["CPUExecutionProvider"])
    feed = feed_of(job)
    return lambda: session.run(["last_hidden_state"], feed)[0]


def openvino_runner(job):
    import openvino as ov

    core = ov.Core()
    model = core.read_model(job["graph"] + ".plain")
    feed = feed_of(job)
    shape = list(feed["input_ids"].shape)
    model.reshape({i.get_any_name(): shape for i in model.inputs})  # its best case: fixed
    compiled = core.compile_model(model, "CPU", {
        "INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": job["threads"],
        "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1})
    request = compiled.create_infer_request()
    return lambda: request.infer(feed, share_inputs=True, share_outputs=True)["last_hidden_state"]


RUNNERS = {"pytorch": torch_runner, "onnxruntime": onnxruntime_runner, "openvino": openvino_runner}


def sample_of(state, lengths):
    """Of the first texts' first and last tokens."""
    return [float(state[b, t, 0]) for b in range(min(8, len(lengths))) for t in (0, lengths[b] - 1)]


def main():
    run, key = None, None
    for line in sys.stdin:
        job = json.loads(line)
        threads = job["threads"]
        asked = (job["model"], job["lengths"], threads)
        if asked != key:
            run = None  # frees its memory first
            run, key = RUNNERS[sys.argv[1]](job), asked
            run()
        elif job["warm"]:
            run()  # caches warm after the other peers' turns
        seconds = []
        for _ in range(job["repeat"]):
            start = clock(threads)
            out = run()
            seconds.append(clock(threads) - start)
        answer = {"seconds": seconds, "sample": sample_of(np.asarray(out), job["lengths"])}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
