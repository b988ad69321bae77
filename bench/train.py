"""Training speed: steps of a model in Heed beside PyTorch, eager and compiled, interleaved.

GPT-2 learns ids of equal length; minilm-32x32 is a MiniLM-shaped classifier of 77 kinds that learns a
batch of 32 texts of 32 tokens (`heed train` makes batches of texts of one length, more or less),
without dropout, so that losses can agree.

Every peer starts from the same weights and sees the same ids; the first losses must agree before
anything is timed. A cell's rounds go peer by peer, a round's figure is its mean step, a cell's the
median of its rounds, a ratio the median of the rounds' own ratios. One thread is timed by processor
time, several by the clock on the wall. Memory is the peak above the bare process, weights,
gradients and the optimiser's state. Prints Markdown.

With --parts no peer is asked: where the time of Heed's step goes. Clipping and AdamW are timed within the
step, the other parts apart from it at the model's sizes (bench/training_parts.h), so that "rest", what the
step takes beyond their sum, is residual streams, the gathering of gradients and the tape, and whatever is
dearer or cheaper in its place (an activation is cheaper: the product makes it in passing). Medians of the rounds.
"""
import argparse
import os
import statistics
import sys

from peer import Worker, ratio
from random_models import SHAPES, folder_of
from texts import parse_cell

# name: layers, heads, width, vocab, batch, block
LANGUAGE_MODELS = {
    "nanogpt-cpu": (4, 4, 128, 65, 12, 64),
    "gpt2-4x64": (12, 12, 768, 50257, 4, 64),
    "gpt2-1x1024": (12, 12, 768, 50257, 1, 1024),
}
SIZES = ("layers", "heads", "width", "vocab", "batch", "block")
CLASSIFIERS = {"minilm-32x32": ("minilm-classifier", parse_cell("32x32"))}
CELLS = [*LANGUAGE_MODELS, *CLASSIFIERS]
TOLERANCE = 2e-3  # of the first losses, absolute


def job_of(cell, work):
    if cell in LANGUAGE_MODELS:
        return {**dict(zip(SIZES, LANGUAGE_MODELS[cell])), "weights": os.path.join(work, "weights.safetensors")}
    shape, lengths = CLASSIFIERS[cell]
    return {"model": folder_of(shape, work), "labels": SHAPES[shape][2]["num_labels"], "lengths": lengths}


def flops(cell):
    """Multiplications and additions of a step: 6 a weight of a product and token, and attention's."""
    if cell in LANGUAGE_MODELS:
        layers, _, width, vocab, batch, block = LANGUAGE_MODELS[cell]
        tokens, pairs = batch * block, batch * block * block / 2  # causal: half of them
    else:
        shape, lengths = CLASSIFIERS[cell]
        layers, width, vocab = SHAPES[shape][2]["num_hidden_layers"], SHAPES[shape][2]["hidden_size"], 0
        tokens, pairs = sum(lengths), sum(n * n for n in lengths)
    return 6 * tokens * (12 * layers * width * width + vocab * width) + 3.5 * 4 * pairs * width * layers


class Bench:
    def __init__(self, args, threads):
        here = os.path.dirname(os.path.abspath(__file__))
        python = [sys.executable, os.path.join(here, "train_worker.py")]
        commands = {"heed": [args.heed], "eager": [*python, "eager"], "compile": [*python, "compile"]}
        environment = {"OMP_NUM_THREADS": str(threads)}
        self.args, self.threads = args, threads
        self.workers = {peer: Worker(commands[peer], environment) for peer in args.peers}

    def ask(self, peer, cell, steps):
        return self.workers[peer].ask(
            {**job_of(cell, self.args.work), "key": cell, "threads": self.threads, "steps": steps})

    def measure(self, cell):
        warm = {peer: self.ask(peer, cell, 3) for peer in self.args.peers}  # heed first: its weights
        for peer, answer in warm.items():
            apart = max(abs(a - b) for a, b in zip(answer["losses"], warm["heed"]["losses"]))
            if not apart < TOLERANCE:
                raise SystemExit(f"{cell}: losses of {peer} differ by {apart}: {answer['losses']} "
                                 f"against {warm['heed']['losses']}")
        rounds = {peer: [] for peer in self.args.peers}
        memory, roofs = {}, []
        for _ in range(self.args.rounds):
            roofs.append(self.workers["heed"].ask({"roof": True, "threads": self.threads, "key": ""})["flops"])
            for peer in self.args.peers:
                answer = self.ask(peer, cell, max(1, round(self.args.seconds / (
                    rounds[peer][-1] if rounds[peer] else 0.5))))
                rounds[peer].append(answer["seconds"])
                memory[peer] = answer["peak_bytes"] - answer["bare_bytes"] - answer["kept_bytes"]
        return statistics.median(roofs), rounds, memory

    def close(self):
        for worker in self.workers.values():
            worker.close()


def print_row(cell, threads, roof, rounds, memory):
    medians = {peer: statistics.median(values) for peer, values in rounds.items()}
    others = [peer for peer in rounds if peer != "heed"]
    times = [f"{1e3 * medians[peer]:.1f} ms" for peer in rounds]
    ratios = [ratio(rounds["heed"], rounds[peer]) for peer in others]
    share = flops(cell) / medians["heed"] / roof
    sizes = " / ".join(f"{memory[peer] / 1e6:.0f}" for peer in rounds)
    print(f"| {cell} | {threads} | {100 * share:.0f} % | {' | '.join([*times, *ratios, sizes])} |",
          flush=True)


def run(args, measure, show):
    for threads in args.threads:
        for cell in args.cells:
            bench = Bench(args, threads)  # processes of its own: a peak is of that model alone
            show(cell, threads, *measure(bench, cell))
            bench.close()


def measure_parts(bench, cell):
    """A round: its roof, the step's seconds, and each part's with its operations."""
    job = {**job_of(cell, bench.args.work), "key": cell, "threads": bench.threads, "parts": True}
    rounds = [bench.workers["heed"].ask(job) for _ in range(bench.args.rounds + 1)][1:]  # the first warms up
    return statistics.median(r["flops"] for r in rounds), statistics.median(r["seconds"] for r in rounds), [
        (same[0]["name"], statistics.median(part["seconds"] for part in same), same[0]["operations"])
        for same in zip(*(r["parts"] for r in rounds))]


def print_parts(cell, threads, roof, step, parts):
    rest = step - sum(seconds for _, seconds, _ in parts)
    print(f"\n{cell}, threads: {threads}, roof: {roof / 1e9:.0f} GFLOP/s\n\n"
          "| part | ms | share of the step | GFLOP/s | share of the roof |\n|---|---|---|---|---|")
    for name, seconds, operations in [*parts, ("rest", rest, 0), ("the step", step, flops(cell))]:
        rate = (f"{operations / seconds / 1e9:.0f} | {100 * operations / seconds / roof:.0f} %" if operations
                else " | ")
        print(f"| {name} | {1e3 * seconds:.2f} | {100 * seconds / step:.1f} % | {rate} |", flush=True)


def main():
    def words(text):
        return text.split(",")

    parser = argparse.ArgumentParser(prog="./dev bench train", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heed", required=True, help="the program bench_train")
    parser.add_argument("--work", required=True, help="folder for weights and models")
    parser.add_argument("--cells", type=words, default=CELLS, help=", ".join(CELLS))
    parser.add_argument("--threads", type=lambda text: [int(n) for n in words(text)], default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="time for each peer and round")
    parser.add_argument("--peers", type=words, default=["heed", "eager", "compile"],
                        help="heed first, then eager, compile (PyTorch; compiling takes minutes)")
    parser.add_argument("--parts", action="store_true", help="where the time of Heed's step goes")
    args = parser.parse_args()
    os.makedirs(args.work, exist_ok=True)
    if args.parts:
        args.peers = ["heed"]
        run(args, measure_parts, print_parts)
        return
    columns = [*args.peers, *(f"{peer} / heed" for peer in args.peers if peer != "heed"),
               f"MB above what is kept: {' / '.join(args.peers)}"]
    print(f"| model | threads | share of the roof | {' | '.join(columns)} |")
    print("|---" * (3 + len(columns)) + "|")
    run(args, Bench.measure, print_row)


if __name__ == "__main__":
    main()
