"""Speed of encoder-decoders: Heed beside PyTorch (transformers' generate) and CTranslate2, interleaved.

The same weights (random ones of published shapes), f32, the same sources; every peer writes exactly as
many tokens, greedily or by beam search, and must write the same ones before anything is timed. A cell
is sources x tokens + new; 8x512r+64 has sources of 4 to 512 tokens (bench/texts.py). A time is that of
all of it: encoder, and every step of the decoder. Every peer is a process that works only in its turn; a
cell's rounds go peer by peer, a cell's figure is the median of its rounds, a ratio the median of the
rounds' own ratios. One thread is timed by processor time, several by the clock on the wall. Prints
Markdown.
"""
import argparse
import os
import statistics
import sys

from peer import Worker, ratio
from random_models import SHAPES, folder_of
from texts import parse_cell

CELLS = ["1x128+64", "1x512+64", "8x128+64", "8x512+64", "8x512r+64"]
PEERS = ["heed", "pytorch", "ctranslate2"]


def prepare(name, args):
    """The folder of a model, with what each peer reads of it."""
    folder = folder_of(name, args.work)
    if "ctranslate2" in args.peers and not os.path.exists(os.path.join(folder, "ctranslate2")):
        from seq2seq_worker import convert

        convert(folder, os.path.join(folder, "ctranslate2"))
    return folder


def job_of(folder, cell, beams, threads):
    sources, _, new = cell.partition("+")
    return {"model": folder, "lengths": parse_cell(sources), "new": int(new), "beams": beams, "threads": threads}


def workers(args):
    python = [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "seq2seq_worker.py")]
    return {peer: Worker([args.heed] if peer == "heed" else [*python, peer]) for peer in args.peers}


def check(job, answers):
    ours = answers["heed"]["ids"]
    for peer, answer in answers.items():
        for number, (a, b) in enumerate(zip(ours, answer["ids"], strict=True)):
            if a != b:
                raise SystemExit(f"{job}: text {number} of {peer} is {b}, Heed's {a}")


def measure(crew, job, rounds):
    check(job, {peer: worker.ask(job) for peer, worker in crew.items()})
    answers = {peer: [] for peer in crew}
    for _ in range(rounds):
        for peer, worker in crew.items():
            answers[peer].append(worker.ask(job))
    return answers


def print_row(name, cell, job, answers):
    seconds = {peer: [one["seconds"] for one in rounds] for peer, rounds in answers.items()}
    tokens = len(job["lengths"]) * job["new"]
    columns = [" / ".join(f"{tokens / statistics.median(times):.1f}" for times in seconds.values())]
    columns += [ratio(seconds["heed"], times) for peer, times in seconds.items() if peer != "heed"]
    columns.append(" / ".join(f"{rounds[-1]['peak_bytes'] / 1e6:.0f}" for rounds in answers.values()))
    print(f"| {name} | {cell} | {job['beams']} | {job['threads']} | {' | '.join(columns)} |", flush=True)


def main():
    def words(text):
        return text.split(",")

    def numbers(text):
        return [int(number) for number in words(text)]

    parser = argparse.ArgumentParser(prog="./dev bench seq2seq", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [name for name in SHAPES if SHAPES[name][1].endswith("Generation")]
    parser.add_argument("--heed", required=True, help="the program bench_seq2seq")
    parser.add_argument("--work", required=True, help="folder for the checkpoints")
    parser.add_argument("--models", type=words, default=names, help=f"of {', '.join(names)}")
    parser.add_argument("--cells", type=words, default=CELLS, help=", ".join(CELLS))
    parser.add_argument("--beams", type=numbers, default=[1, 4])
    parser.add_argument("--threads", type=numbers, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", type=words, default=PEERS,
                        help="heed first; without the others Heed is measured alone")
    args = parser.parse_args()
    os.makedirs(args.work, exist_ok=True)
    peers = " / ".join(args.peers)
    ratios = "".join(f" heed / {peer} |" for peer in args.peers[1:])
    print(f"| model | sources x tokens + new | beams | threads | new tokens/s: {peers} |{ratios} peak MB: {peers} |")
    print("|---" * (6 + len(args.peers) - 1) + "|", flush=True)
    for threads in args.threads:
        for name in args.models:
            folder = prepare(name, args)
            crew = workers(args)
            for cell in args.cells:
                for beams in args.beams:
                    job = job_of(folder, cell, beams, threads)
                    print_row(name, cell, job, measure(crew, job, args.rounds))
            for worker in crew.values():
                worker.close()


if __name__ == "__main__":
    main()
