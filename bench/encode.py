"""Encode speed: Heed beside PyTorch, ONNX Runtime and OpenVINO, interleaved.

Same weights, same ids, f32 everywhere. Each peer is a process that works only in its turn; a cell's
rounds go peer by peer, so a machine whose speed drifts slows all alike. One thread is timed by
processor time, several by the clock on the wall. A cell is batch x tokens; 32x128r is ragged, its
texts are 4 to 128 tokens long (bench/texts.py), and only those count. A ratio is the median of the
rounds' own ratios. Prints Markdown.
"""
import argparse
import os
import statistics
import sys
import time

from peer import Worker, ratio
from random_models import SHAPES, folder_of
from texts import parse_cell

PEERS = ["heed", "pytorch", "onnxruntime", "openvino"]
CELLS = ["1x16", "1x128", "1x512", "8x512", "32x128", "32x512", "32x128r", "8x512r"]
LONG_S = 0.3  # a run that takes so long needs no other one to warm the caches


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


def model_of(name, args):
    """A model's folder, and the graph that ONNX Runtime and OpenVINO read, made where it is missing."""
    folder = args.minilm if name == "minilm" else folder_of(name, args.work)
    graph = os.path.join(args.work, os.path.basename(name.rstrip("/")) + ".onnx")
    if not os.path.exists(graph):
        export_onnx(folder, graph)
    return {"model": folder, "graph": graph}


def workers(args):
    python = [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "encode_worker.py")]
    return {peer: Worker([args.heed] if peer == "heed" else [*python, peer]) for peer in args.peers}


def agree(samples):
    first = next(iter(samples.values()))
    for peer, sample in samples.items():
        if any(abs(a - b) > 1e-3 for a, b in zip(first, sample, strict=True)):
            raise SystemExit(f"{peer} computes something else: {sample} against {first}")


def measure(crew, job, args):
    samples, once = {}, {}
    for peer, worker in crew.items():
        answer = worker.ask({**job, "warm": False, "repeat": 1})
        samples[peer], once[peer] = answer["sample"], answer["seconds"][0]
    agree(samples)
    job["warm"] = max(once.values()) < LONG_S
    job["repeat"] = max(1, min(200, int(args.seconds / args.rounds / max(min(once.values()), 1e-4))))
    rounds = args.rounds if max(once.values()) < args.seconds else min(args.rounds, args.long_rounds)
    times = {peer: [] for peer in crew}
    for _ in range(rounds):
        for peer, worker in crew.items():
            time.sleep(0.05)  # the last peer's idle threads stop spinning
            times[peer].append(statistics.median(worker.ask(job)["seconds"]))
    return times


def print_row(name, cell, threads, lengths, times):
    rate = {peer: sum(lengths) / statistics.median(seconds) for peer, seconds in times.items()}
    others = [peer for peer in rate if peer != "heed"]
    verdict = ""
    if "heed" in rate and others:
        best = max(others, key=rate.get)
        verdict = f"{ratio(times['heed'], times[best])} of {best}"
    real = 100 * sum(lengths) / (len(lengths) * max(lengths))
    rates = " | ".join(f"{rate[peer]:.0f}" for peer in times)
    print(f"| {name} | {cell} | {real:.0f} % | {threads} | {rates} | {verdict} |", flush=True)


def main():
    def words(text):
        return text.split(",")

    parser = argparse.ArgumentParser(prog="./dev bench encode", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ["minilm", *(name for name in SHAPES if SHAPES[name][1].endswith("Model"))]
    parser.add_argument("--models", type=words, default=names,
                        help=f"of {', '.join(names)} (all but the first with random weights), or folders")
    parser.add_argument("--minilm", required=True, help="folder of the MiniLM checkpoint")
    parser.add_argument("--heed", required=True, help="the program bench_encode")
    parser.add_argument("--work", required=True, help="folder for checkpoints and exported graphs")
    parser.add_argument("--cells", type=words, default=CELLS, help=", ".join(CELLS))
    parser.add_argument("--threads", type=lambda text: [int(n) for n in words(text)], default=[1, 2])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--long-rounds", type=int, default=3, help="where one run takes longer than --seconds")
    parser.add_argument("--seconds", type=float, default=4, help="time for each peer and cell")
    parser.add_argument("--peers", type=words, default=PEERS)
    args = parser.parse_args()
    os.makedirs(args.work, exist_ok=True)
    print(f"| model | batch x length | real tokens | threads | {' | '.join(args.peers)} | "
          f"heed / best peer (rounds: min to max) |")
    print("|---" * (len(args.peers) + 5) + "|", flush=True)
    for threads in args.threads:
        for name in args.models:
            files = model_of(name, args)
            crew = workers(args)
            for cell in args.cells:
                lengths = parse_cell(cell)
                times = measure(crew, {**files, "lengths": lengths, "threads": threads}, args)
                print_row(os.path.basename(name.rstrip("/")), cell, threads, lengths, times)
            for worker in crew.values():
                worker.close()


if __name__ == "__main__":
    main()
