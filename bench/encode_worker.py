"""One peer in a process of its own: answers {"batch", "tokens", "threads", "repeat"} lines with times.

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


def torch_runner(folder, _, batch, tokens, threads):
    import torch
    from transformers import BertModel

    torch.set_num_threads(threads)
    model = BertModel.from_pretrained(folder, attn_implementation="sdpa", dtype=torch.float32)
    model.eval()
    ids = torch.from_numpy(make_ids(batch, tokens))

    def run():
        with torch.inference_mode():
            return model(ids).last_hidden_state.numpy()

    return run


def onnxruntime_runner(_, onnx_file, batch, tokens, threads):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = ort.InferenceSession(onnx_file, options, providers=["CPUExecutionProvider"])
    ids = make_ids(batch, tokens).astype(np.int64)
    feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    return lambda: session.run(["last_hidden_state"], feed)[0]


def openvino_runner(_, onnx_file, batch, tokens, threads):
    import openvino as ov

    core = ov.Core()
    model = core.read_model(onnx_file)
    model.reshape({i.get_any_name(): [batch, tokens] for i in model.inputs})  # its best case: fixed
    compiled = core.compile_model(model, "CPU", {
        "INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1})
    request = compiled.create_infer_request()
    ids = make_ids(batch, tokens).astype(np.int64)
    feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    return lambda: request.infer(feed, share_inputs=True, share_outputs=True)["last_hidden_state"]


RUNNERS = {"pytorch": torch_runner, "onnxruntime": onnxruntime_runner, "openvino": openvino_runner}


def main():
    peer, folder, onnx_file = sys.argv[1:4]
    runners = {}
    for line in sys.stdin:
        job = json.loads(line)
        key = (job["batch"], job["tokens"], job["threads"])
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
        sample = np.asarray(out).reshape(-1)[:: max(1, out.size // 8)][:8]
        print(json.dumps({"seconds": seconds, "sample": [float(x) for x in sample]}), flush=True)


if __name__ == "__main__":
    main()
