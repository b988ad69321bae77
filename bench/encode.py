"""Encode speed of one encoder (BERT, RoBERTa, DistilBERT): Heed beside PyTorch, ONNX Runtime and OpenVINO, interleaved.

Same weights, same ids, f32 everywhere. Each peer is a process that works only in its turn; a cell's
rounds go peer by peer, so a machine whose speed drifts slows all alike. A cell 32x128r is ragged: its
texts have 1/8 to 8/8 of 128 tokens, and only those count. Prints Markdown.
"""
import argparse
import os
import statistics
import sys
import time

from encode_worker import lengths_of
from peer import Worker

PEERS = ["heed", "pytorch", "onnxruntime", "openvino"]


def export_onnx(folder, target):
    """The graph with ONNX Runtime's own transformer fusions, as its documentation advises."""
    import torch
    from onnxruntime.transformers import optimizer
    from transformers import AutoModel

    class Hidden(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, input_ids, attention_mask):
            return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    model = AutoModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
    ids = torch.ones(2, 8, dtype=torch.long)
    axes = {0: "batch", 1: "tokens"}
    plain = target + ".plain"
    torch.onnx.export(
        Hidden(model.eval()), (ids, torch.ones_like(ids)), plain, dynamo=False, opset_version=17,
        input_names=["input_ids", "attention_mask"], output_names=["last_hidden_state"],
        dynamic_axes={"input_ids": axes, "attention_mask": axes, "last_hidden_state": axes})
    config = model.config
    fused = optimizer.optimize_model(plain, "bert", num_heads=config.num_attention_heads,
                                     hidden_size=config.hidden_size, opt_level=1)
    fused.save_model_to_file(target)
    return plain


def workers(args, onnx_plain, onnx_fused):
    here = os.path.dirname(os.path.abspath(__file__))
    python = [sys.executable, os.path.join(here, "encode_worker.py")]
    commands = {
        "heed": [args.heed, args.model],
        "pytorch": [*python, "pytorch", args.model, "-"],
        "onnxruntime": [*python, "onnxruntime", args.model, onnx_fused],
        "openvino": [*python, "openvino", args.model, onnx_plain],
    }
    return {peer: Worker(commands[peer]) for peer in args.peers}


def agree(samples):
    first = next(iter(samples.values()))
    for peer, sample in samples.items():
        if any(abs(a - b) > 1e-3 for a, b in zip(first, sample)):
            raise SystemExit(f"{peer} computes something else: {sample} against {first}")


def measure(crew, batch, tokens, ragged, threads, args):
    job = {"batch": batch, "tokens": tokens, "ragged": ragged, "threads": threads, "repeat": 1}
    samples, once = {}, {}
    for peer, worker in crew.items():
        answer = worker.ask(job)
        samples[peer], once[peer] = answer["sample"], answer["seconds"][0]
    agree(samples)
    job["repeat"] = max(1, min(200, int(args.seconds / args.rounds / max(min(once.values()), 1e-4))))
    times = {peer: [] for peer in crew}
    for _ in range(args.rounds):
        for peer, worker in crew.items():
            time.sleep(0.05)  # the last peer's idle threads stop spinning
            times[peer].append(statistics.median(worker.ask(job)["seconds"]))
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="folder of the checkpoint")
    parser.add_argument("--heed", required=True, help="the program bench_encode")
    parser.add_argument("--work", required=True, help="folder for the exported graphs")
    parser.add_argument("--cells", default="1x16,1x128,32x128,1x512,8x512,32x128r")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=4, help="time for each peer and cell")
    parser.add_argument("--peers", default=",".join(PEERS))
    args = parser.parse_args()
    args.peers = args.peers.split(",")
    os.makedirs(args.work, exist_ok=True)
    fused = os.path.join(args.work, "model.onnx")
    plain = fused + ".plain"
    if not os.path.exists(fused):
        export_onnx(args.model, fused)
    names = " | ".join(args.peers)
    print(f"| batch x length | threads | {names} | heed / best peer (pairs: min to max) |")
    print("|---" * (len(args.peers) + 3) + "|", flush=True)
    for threads in map(int, args.threads.split(",")):
        crew = workers(args, plain, fused)
        for cell in args.cells.split(","):
            batch, tokens = map(int, cell.rstrip("r").split("x"))
            times = measure(crew, batch, tokens, cell.endswith("r"), threads, args)
            real = sum(lengths_of(batch, tokens, cell.endswith("r")))
            rate = {p: real / statistics.median(t) for p, t in times.items()}
            others = [p for p in rate if p != "heed"]
            cells = " | ".join(f"{rate[p]:.0f}" for p in args.peers)
            verdict = ""
            if "heed" in rate and others:
                best = max(others, key=rate.get)
                pairs = [b / h for h, b in zip(times["heed"], times[best])]
                verdict = (f"{statistics.median(pairs):.2f} of {best} "
                           f"({min(pairs):.2f} to {max(pairs):.2f})")
            print(f"| {cell} | {threads} | {cells} | {verdict} |", flush=True)
        for worker in crew.values():
            worker.close()


if __name__ == "__main__":
    main()
