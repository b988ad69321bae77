"""Speed of generation: Heed beside llama.cpp on the same GGUF files, interleaved.

heed-int8 is Heed with --activations int8, for files with quantised weights. A cell is batch x prompt
+ new: so many rows read so many prompt tokens, then write so many, greedily. Every peer is a process
that works only in its turn; a cell's rounds go peer by peer, a cell's figure is the median of its
rounds, a ratio the median of the rounds' own ratios. One thread is timed by processor time, several
by the clock on the wall; loading always by the clock on the wall, with the file in the page cache.
The time to the first token is that of reading the prompt. The share is of the memory's bandwidth
(reading a buffer as large as the file, in huge pages, in the same run) that a step uses, if it reads the
file once, and the keys and values of every row that it has read by the middle of its new tokens. A
peer that refuses a file (heed-int8 does where nothing is quantised) has a dash. Prints Markdown.
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
    """The peers with one model: fresh processes, so that a peak is of that model alone."""

    def __init__(self, args, threads, model):
        here = os.path.dirname(os.path.abspath(__file__))
        commands = {"heed": [args.heed], "heed-int8": [args.heed, "int8"],
                    "llama.cpp": [sys.executable, os.path.join(here, "generate_worker.py")]}
        self.args, self.threads, self.model = args, threads, model
        self.workers = {peer: Worker(commands[peer]) for peer in args.peers}
        self.roof = Worker(commands["heed"])

    def measure(self, cell):
        job = {"model": self.model, "threads": self.threads, **parse_cell(cell)}
        first = {peer: worker.ask({**job, "fresh": True}) for peer, worker in self.workers.items()}
        rounds = {peer: [] for peer, answer in first.items() if "refused" not in answer}
        roofs = []
        for _ in range(self.args.rounds):
            roofs.append(self.roof.ask({"roof": os.path.getsize(self.model), "threads": self.threads})["bytes"])
            for peer, answers in rounds.items():
                answers.append(self.workers[peer].ask(job))
        return roofs, {peer: first[peer]["load_seconds"] for peer in rounds}, rounds

    def close(self):
        for worker in [*self.workers.values(), self.roof]:
            worker.close()


def of_each(peers, rounds, text):
    return " / ".join(text(peer) if peer in rounds else "-" for peer in peers)


def share_of_bandwidth(model, job, roofs, answers):
    """Median over the rounds, each with the roof of that round."""
    cache = answers[0]["cache_token_bytes"] * job["batch"] * (job["prompt"] + job["new"] / 2)
    read = os.path.getsize(model) + cache
    return statistics.median(job["new"] / one["new_seconds"] * read / roof for one, roof in zip(answers, roofs))


def alike(rounds):
    """How many tokens of the first row agree before the peers part."""
    texts = [answers[0]["ids"] for answers in rounds.values()]
    same = 0
    for tokens in zip(*texts):
        if len(set(tokens)) > 1:
            break
        same += 1
    return f"{same} of {len(texts[0])}"


def print_row(bench, cell, peers):
    roofs, loads, rounds = bench.measure(cell)
    job = parse_cell(cell)
    columns = []
    for what in ("prompt_seconds", "new_seconds"):
        tokens = job["batch"] * job["prompt" if what == "prompt_seconds" else "new"]
        seconds = {peer: [one[what] for one in answers] for peer, answers in rounds.items()}
        columns.append(of_each(peers, rounds, lambda peer: f"{tokens / statistics.median(seconds[peer]):.1f}"))
        columns += [ratio(seconds["heed"], seconds[peer]) if peer in rounds else "-" for peer in peers[1:]]
    columns.append(f"{100 * share_of_bandwidth(bench.model, job, roofs, rounds['heed']):.0f} %")
    columns.append(of_each(peers, rounds, lambda peer: f"{rounds[peer][-1]['peak_bytes'] / 1e6:.0f}"))
    columns.append(of_each(peers, rounds, lambda peer: f"{1e3 * loads[peer]:.0f}"))
    columns.append(alike({peer: rounds[peer] for peer in rounds if peer != "heed-int8"}))
    print(f"| {os.path.basename(bench.model)} | {cell} | {bench.threads} | {' | '.join(columns)} |", flush=True)


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
        for model in args.models:
            bench = Bench(args, threads, model)
            for cell in args.cells:
                print_row(bench, cell, args.peers)
            bench.close()


if __name__ == "__main__":
    main()
