"""Speed of generation: Heed beside llama.cpp on the same GGUF files, interleaved.

heed-int8 is Heed with --activations int8, for files with quantised weights. A cell is batch x prompt
+ new: so many rows read so many prompt tokens, then write so many, greedily. Every peer is a process
that works only in its turn; a cell's rounds go peer by peer, a cell's figure is the median of its
rounds, a ratio the median of the rounds' own ratios. One thread is timed by processor time, several
by the clock on the wall; loading always by the clock on the wall, with the file in the page cache.
The time to the first token is that of reading the prompt. The share is of the memory's bandwidth
(reading a buffer as large as the file, in the same run) that a step of one row uses, if it reads the
file once. Prints Markdown.
"""
import argparse
import os
import statistics
import sys

from peer import Worker, ratio

CELLS = ["1x512+64", "8x512+32", "1x8000+64"]


def parse_cell(text):
    batch, _, rest = text.partition("x")
    prompt, _, new = rest.partition("+")
    return {"batch": int(batch), "prompt": int(prompt), "new": int(new)}


class Bench:
    def __init__(self, args, threads):
        here = os.path.dirname(os.path.abspath(__file__))
        commands = {"heed": [args.heed], "heed-int8": [args.heed, "int8"],
                    "llama.cpp": [sys.executable, os.path.join(here, "generate_worker.py")]}
        self.args, self.threads = args, threads
        self.workers = {peer: Worker(commands[peer]) for peer in args.peers}

    def measure(self, model, cell):
        size = os.path.getsize(model)
        roof = self.workers["heed"].ask({"roof": size, "threads": self.threads})["bytes"]
        job = {"model": model, "threads": self.threads, **parse_cell(cell)}
        loads = {peer: worker.ask({**job, "fresh": True})["load_seconds"] for peer, worker in self.workers.items()}
        rounds = {peer: [] for peer in self.workers}
        for _ in range(self.args.rounds):
            for peer, worker in self.workers.items():
                rounds[peer].append(worker.ask(job))
        return size, roof, loads, rounds

    def close(self):
        for worker in self.workers.values():
            worker.close()


def alike(rounds):
    """How many tokens of the first row agree before the peers part."""
    texts = [answers[0]["ids"] for answers in rounds.values()]
    same = 0
    for tokens in zip(*texts):
        if len(set(tokens)) > 1:
            break
        same += 1
    return f"{same} of {len(texts[0])}"


def print_row(name, cell, threads, peers, size, roof, loads, rounds):
    job = parse_cell(cell)
    columns = []
    for what in ("prompt_seconds", "new_seconds"):
        tokens = job["batch"] * job["prompt" if what == "prompt_seconds" else "new"]
        seconds = {peer: [one[what] for one in answers] for peer, answers in rounds.items()}
        columns.append(" / ".join(f"{tokens / statistics.median(seconds[peer]):.1f}" for peer in peers))
        columns += [ratio(seconds["heed"], seconds[peer]) for peer in peers[1:]]
    steps = [job["new"] / one["new_seconds"] for one in rounds["heed"]]
    columns.append(f"{100 * statistics.median(steps) * size / roof:.0f} %")
    columns.append(" / ".join(f"{rounds[peer][-1]['peak_bytes'] / 1e6:.0f}" for peer in peers))
    columns.append(" / ".join(f"{1e3 * loads[peer]:.0f}" for peer in peers))
    columns.append(alike(rounds))
    print(f"| {name} | {cell} | {threads} | {' | '.join(columns)} |", flush=True)


def main():
    def words(text):
        return text.split(",")

    parser = argparse.ArgumentParser(prog="./dev bench generate", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heed", required=True, help="the program bench_generate")
    parser.add_argument("--models", type=words, required=True, help="GGUF files")
    parser.add_argument("--cells", type=words, default=CELLS, help=", ".join(CELLS))
    parser.add_argument("--threads", type=lambda text: [int(n) for n in words(text)], default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", type=words, default=["heed", "llama.cpp"],
                        help="heed first; heed-int8 too; without llama.cpp Heed is measured alone")
    args = parser.parse_args()
    names = " / ".join(args.peers)
    ratios = "".join(f" heed / {peer} |" for peer in args.peers[1:])
    print(f"| model | batch x prompt + new | threads | prompt, tokens/s: {names} |{ratios} "
          f"new, tokens/s: {names} |{ratios} share of bandwidth | peak MB: {names} | load ms: {names} | "
          f"tokens alike |")
    print("|---" * (8 + 2 * len(args.peers[1:]) + 1) + "|")
    for threads in args.threads:
        bench = Bench(args, threads)
        for model in args.models:
            for cell in args.cells:
                print_row(os.path.basename(model), cell, threads, args.peers, *bench.measure(model, cell))
        bench.close()


if __name__ == "__main__":
    main()
