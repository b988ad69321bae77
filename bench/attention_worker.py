"""PyTorch's or ONNX Runtime's side of bench/attention.py: answers its jobs, one a line.

Usage: attention_worker.py pytorch|onnxruntime. Inputs lie as [B, tokens, heads, D] in files. Each
peer may lay them out once, before the clock starts, as it likes them best; where it has several
ways to the same result, all are tried and the fastest is timed.
"""
import json
import re
import sys
import time
from types import SimpleNamespace

import numpy as np

NUMPY_TYPES = {"f32": np.float32, "f16": np.float16, "bf16": np.uint16}  # numpy has no bf16


class Unsupported(Exception):
    pass


def clock(threads):
    """One thread: the processor time of the process, which other programs do not add to."""
    return time.process_time() if threads == 1 else time.perf_counter()


def load(job, name):
    tokens, heads = (job.t, job.h) if name in ("q", "dy") else (job.s, job.g)
    values = np.fromfile(f"{job.data}/{name}", NUMPY_TYPES[job.dtype],
                         job.b * tokens * heads * job.d)
    return values.reshape(job.b, tokens, heads, job.d)


def window(job):
    """Visible keys of a windowed mask, the query's own included; None without a window."""
    found = re.fullmatch(r"window(\d+)", job.mask)
    return int(found[1]) if found else None


def pytorch_ways(job):
    """Returns {name: (run, results)}; results gives [B, T, H, D] f32 arrays."""
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    torch.set_num_threads(job.threads)

    def tensor(name):
        values = torch.from_numpy(load(job, name))
        if job.dtype == "bf16":
            values = values.view(torch.bfloat16)
        return values.transpose(1, 2).contiguous()  # the layout its kernels are measured in

    q, k, v = (tensor(name) for name in "qkv")
    options = {"is_causal": job.mask == "causal", "enable_gqa": job.h != job.g}
    if window(job):
        position = torch.arange(job.t)[:, None] - torch.arange(job.s)[None, :]
        visible = (position >= 0) & (position < window(job))
        options["attn_mask"] = torch.zeros(job.t, job.s).masked_fill(~visible, -torch.inf).to(q.dtype)
    last = {}

    def forward():
        with torch.inference_mode():
            last["y"] = [scaled_dot_product_attention(q, k, v, **options)]

    def both():
        y = scaled_dot_product_attention(q, k, v, **options)
        last["y"] = [y, *torch.autograd.grad(y, (q, k, v), dy)]

    if job.get("pass") == "both":
        dy = tensor("dy")
        for x in (q, k, v):
            x.requires_grad_()

    def results():
        return [x.detach().transpose(1, 2).float().numpy() for x in last["y"]]

    return {"sdpa": (both if job.get("pass") == "both" else forward, results)}


def onnx_session(job, op, inputs, outputs, attributes):
    """A model of one node of ONNX Runtime's own operators."""
    import onnxruntime
    from onnx import TensorProto, helper

    types = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.float16): TensorProto.FLOAT16,
             np.dtype(np.int32): TensorProto.INT32}

    def infos(values):
        return [helper.make_tensor_value_info(name, types[value.dtype], value.shape)
                for name, value in values.items() if value is not None]

    node = helper.make_node(op, [name if value is not None else "" for name, value in inputs.items()],
                            list(outputs), domain="com.microsoft", **attributes)
    graph = helper.make_graph([node], op, infos(inputs), infos(outputs))
    model = helper.make_model(graph, ir_version=8, opset_imports=[
        helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job.threads
    return onnxruntime.InferenceSession(model.SerializeToString(), options,
                                        providers=["CPUExecutionProvider"])


def onnx_way(job, op, inputs, outputs, attributes, shared=()):
    """shared: outputs that are written where an input of the same name after "past" lies."""
    from onnxruntime import OrtValue

    session = onnx_session(job, op, inputs, outputs, attributes)
    binding = session.io_binding()
    values = {name: OrtValue.ortvalue_from_numpy(value)
              for name, value in {**inputs, **outputs}.items() if value is not None}
    for output, source in shared:
        values[output] = values[source]
    for name in inputs:
        if name in values:
            binding.bind_ortvalue_input(name, values[name])
    for name in outputs:
        binding.bind_ortvalue_output(name, values[name])

    def results():
        y = values["y"].numpy().astype(np.float32)
        return [y.reshape(job.b, job.t, job.h, job.d)]

    return (lambda: session.run_with_iobinding(binding)), results


def onnx_multi_head(job, q, k, v):
    flat = {"q": q, "k": k, "v": v}
    inputs = {name: x.reshape(*x.shape[:2], -1) for name, x in flat.items()}
    attributes = {"num_heads": job.h, "unidirectional": int(job.mask == "causal")}
    return onnx_way(job, "MultiHeadAttention", inputs, {"y": np.empty_like(inputs["q"])}, attributes)


def onnx_grouped(job, q, k, v):
    """With one query, the last token is the new one and those before it are in the cache."""
    cache = {name: np.ascontiguousarray(x.transpose(0, 2, 1, 3)) for name, x in (("k", k), ("v", v))}
    decode = job.t == 1 and job.s > 1
    new = {name: x[:, job.s - job.t:] for name, x in (("k", k), ("v", v))}
    inputs = {
        "q": q.reshape(job.b, job.t, -1),
        **{name: np.ascontiguousarray(x).reshape(job.b, job.t, -1) for name, x in new.items()},
        "past_k": cache["k"] if decode else None,
        "past_v": cache["v"] if decode else None,
        "last": np.full(job.b, job.s - 1, np.int32),
        "total": np.array([job.s], np.int32),
    }
    outputs = {"y": np.empty_like(inputs["q"]), "present_k": cache["k"], "present_v": cache["v"]}
    attributes = {"num_heads": job.h, "kv_num_heads": job.g}
    if window(job):
        attributes["local_window_size"] = window(job)
    shared = [("present_k", "past_k"), ("present_v", "past_v")] if decode else []
    return onnx_way(job, "GroupQueryAttention", inputs, outputs, attributes, shared)


def onnxruntime_ways(job):
    if job.get("pass") == "both":
        raise Unsupported("no backward")
    if job.dtype == "bf16":
        raise Unsupported("no bf16 on CPUs")
    values = [load(job, name) for name in "qkv"]
    ways = {}
    if job.mask != "full" or job.t == 1:
        ways["GroupQueryAttention"] = onnx_grouped(job, *values)
    if job.h == job.g and not window(job) and job.dtype == "f32":
        ways["MultiHeadAttention"] = onnx_multi_head(job, *values)
    if not ways:
        raise Unsupported("no operator for this")
    return ways


WAYS = {"pytorch": pytorch_ways, "onnxruntime": onnxruntime_ways}


class Job(SimpleNamespace):
    def get(self, name, default=None):
        return getattr(self, name, default)


def seconds_of(run, calls, threads):
    start = clock(threads)
    for _ in range(calls):
        run()
    return (clock(threads) - start) / calls


def fastest(ways, threads):
    """The name of the fastest way, each run twice so that the first run's set-up is left out."""
    if len(ways) == 1:
        return next(iter(ways))
    for run, _ in ways.values():
        run()
    return min(ways, key=lambda name: seconds_of(ways[name][0], 1, threads))


def memory_kb(line):
    with open("/proc/self/status", encoding="ascii") as file:
        return int(re.search(rf"{line}:\s*(\d+)", file.read())[1])


def measure_memory(peer, job):
    """Peak memory of one run above what was there before it and its outputs. A small problem before
    it loads what Python libraries load at their first use.
    """
    small = Job(**{**vars(job), "t": 64, "s": 64})
    for run, _ in WAYS[peer](small).values():
        run()
    run, results = next(iter(WAYS[peer](job).values()))
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")  # the peak starts anew
    before = memory_kb("VmRSS")
    seconds = seconds_of(run, 1, job.threads)
    peak = (memory_kb("VmHWM") - before) * 1024
    new_outputs = 0 if peer == "onnxruntime" else sum(x.nbytes for x in results())  # it is given them
    return {"seconds": seconds, "peak_bytes": peak - new_outputs}


def main():
    peer = sys.argv[1]
    key, run, results, way = None, None, None, None
    for line in sys.stdin:
        job = Job(**json.loads(line))
        try:
            if job.get("about"):
                answer = {"version": __import__(peer.replace("pytorch", "torch")).__version__}
            elif job.get("memory"):
                answer = measure_memory(peer, job)
            else:
                if job.key != key:
                    key, run, results = None, None, None  # frees the last problem's memory
                    ways = WAYS[peer](job)
                    way = fastest(ways, job.threads)
                    key, (run, results) = job.key, ways[way]
                    del ways
                if job.warm:
                    run()  # caches, after the other peers' turns
                if job.get("out"):
                    with open(job.out, "wb") as file:
                        for x in results():
                            np.ascontiguousarray(x).tofile(file)
                answer = {"way": way, "seconds": [seconds_of(run, job.calls, job.threads)
                                                  for _ in range(job.repeat)]}
        except Unsupported as reason:
            answer = {"unsupported": str(reason)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
