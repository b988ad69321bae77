"""One peer in a process of its own: answers {"batch", "tokens", "ragged", "threads", "repeat"} lines with times.

A process each, because idle thread pools of one peer spin and would slow the next one down.
Usage: encode_worker.py PEER MODEL_FOLDER ONNX_FILE
"""
import json
import sys
import time

import numpy as np


def make_ids(batch, tokens):
    b, t = np.meshgrid(np.arange(batch), np.arange(tokens), indexing="ij")
    return 1000 + (b * 131 + t * 7919 + b * t) % 28000


def lengths_of(batch, tokens, ragged):
    return [tokens * (1 + b * 5 % 8) // 8 if ragged else tokens for b in range(batch)]


def make_mask(batch, tokens, ragged):
    return (np.arange(tokens) < np.array(lengths_of(batch, tokens, ragged))[:, None]).astype(np.int64)


def torch_runner(folder, _, batch, tokens, ragged, threads):
    import torch
    from transformers import AutoModel

    torch.set_num_threads(threads)
    model = AutoModel.from_pretrained(folder, attn_implementation="sdpa", dtype=torch.float32)
    model.eval()
    ids = torch.from_numpy(make_ids(batch, tokens))
    mask = torch.from_numpy(make_mask(batch, tokens, ragged)) if ragged else None  # without is its best case

    def run():
        with torch.inference_mode():
            return model(ids, attention_mask=mask).last_hidden_state.numpy()

    return run


def onnxruntime_runner(_, onnx_file, batch, tokens, ragged, threads):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = ort.InferenceSession(onnx_file, options, providers=["CPUExecutionProvider"])
    ids = make_ids(batch, tokens).astype(np.int64)
    feed = {"input_ids": ids, "attention_mask": make_mask(batch, tokens, ragged)}
    return lambda: session.run(["last_hidden_state"], feed)[0]


def openvino_runner(_, onnx_file, batch, tokens, ragged, threads):
    import openvino as ov

    core = ov.Core()
    model = core.read_model(onnx_file)
    model.reshape({i.get_any_name(): [batch, tokens] for i in model.inputs})  # its best case: fixed
    compiled = core.compile_model(model, "CPU", {
        "INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1})
    request = compiled.create_infer_request()
    ids = make_ids(batch, tokens).astype(np.int64)
    feed = {"input_ids": ids, "attention_mask": make_mask(batch, tokens, ragged)}
    return lambda: request.infer(feed, share_inputs=True, share_outputs=True)["last_hidden_state"]


RUNNERS = {"pytorch": torch_runner, "onnxruntime": onnxruntime_runner, "openvino": openvino_runner}


def main():
    peer, folder, onnx_file = sys.argv[1:4]
    runners = {}
    for line in sys.stdin:
        job = json.loads(line)
        key = (job["batch"], job["tokens"], job["ragged"], job["threads"])
        if key not in runners:
            runners = {key: RUNNERS[peer](folder, onnx_file, *key)}
            runners[key]()
        run = runners[key]
        run()  # caches warm after the other peers' turns
        seconds = []
        for _ in range(job["repeat"]):
            start = time.perf_counter()
            out = run()
            seconds.append(time.perf_counter() - start)
        sample = np.asarray(out)[:8, 0, 0]  # of texts' first tokens
        print(json.dumps({"seconds": seconds, "sample": [float(x) for x in sample]}), flush=True)


if __name__ == "__main__":
    main()
