"""Attention speed and memory: Heed beside PyTorch SDPA, ONNX Runtime and oneDNN, interleaved.

Every peer computes the same problem from the same numbers, in a process that works only in its
turn; its result is compared with Heed's before anything is timed. A cell's rounds go roof, peer,
peer, ..., so a machine whose speed drifts slows all alike. A round's figure is its fastest run,
because other programs only ever slow one down; a cell's figure is the median of its rounds, a ratio
the median of the rounds' own ratios. One thread is timed by processor time, which other programs do
not add to, several threads by the clock on the wall. Prints Markdown.
"""
import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

import numpy as np

from peer import Lost, Worker

PEERS = ["heed", "pytorch", "onnxruntime", "onednn"]
USUAL = "1x12x512x64,8x12x128x64,1x12x4096x64,1x32x2048x128,1x32/8x1:4096x128"
ALL = (USUAL + ",1x8x16384x64,1x12x512x32,1x12x2048x32,1x12x512x80,1x12x2048x80,1x12x512x96,"
       "1x12x2048x96,1x12x512x256,1x12x2048x256,1x12x1x64,1x12x7x64,1x12x100x64,1x12x1000x64,"
       "1x32/8x1:65536x128")
# Of y; gradients are sums over many rows and allowed ten times that, relative to the largest.
TOLERANCE = {"f32": 1e-4, "f16": 5e-3, "bf16": 3e-2}
SLACK_S = 0.05  # the last peer's idle threads stop spinning


@dataclass(frozen=True)
class Cell:
    """BxHxTxD, BxH/GxTxD with fewer key/value heads, BxH/GxT:SxD with other keys than queries."""
    name: str
    b: int
    h: int
    g: int
    t: int
    s: int
    d: int

    @staticmethod
    def parse(name):
        found = re.fullmatch(r"(\d+)x(\d+)(?:/(\d+))?x(\d+)(?::(\d+))?x(\d+)", name)
        if not found:
            raise SystemExit(f"no cell {name}: BxHxTxD, BxH/GxTxD or BxH/GxT:SxD is needed")
        b, h, g, t, s, d = found.groups()
        return Cell(name, int(b), int(h), int(g or h), int(t), int(s or t), int(d))

    def visible_pairs(self, mask):
        """Of one head."""
        if mask == "full":
            return self.t * self.s
        reach = self.t if mask == "causal" else min(self.t, int(mask[6:]))
        return reach * (reach + 1) // 2 + (self.t - reach) * reach

    def flops(self, mask, passes):
        """4 B H T S D for all keys; half of that is counted for causal, 3.5 times with backward."""
        pairs = self.t * self.s / 2 if mask == "causal" else self.visible_pairs(mask)
        return 4.0 * self.b * self.h * pairs * self.d * (3.5 if passes == "both" else 1.0)

    def key_value_bytes(self, dtype):
        return 2 * self.b * self.g * self.s * self.d * (4 if dtype == "f32" else 2)


def to_bf16(x):
    """Round to nearest, ties to even."""
    bits = x.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def write_inputs(folder, cell, dtype):
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    for seed, (name, tokens, heads) in enumerate([("q", cell.t, cell.h), ("k", cell.s, cell.g),
                                                  ("v", cell.s, cell.g), ("dy", cell.t, cell.h)]):
        x = np.random.default_rng(seed).standard_normal((cell.b, tokens, heads, cell.d), np.float32)
        x = to_bf16(x) if dtype == "bf16" else x.astype({"f32": np.float32, "f16": np.float16}[dtype])
        x.tofile(os.path.join(folder, name))


class Crew:
    """One process a peer, all with the same number of threads."""

    def __init__(self, args, threads):
        here = os.path.dirname(os.path.abspath(__file__))
        python = [sys.executable, os.path.join(here, "attention_worker.py")]
        self.commands = {"heed": [args.heed], "onednn": [args.onednn],
                         "pytorch": [*python, "pytorch"], "onnxruntime": [*python, "onnxruntime"]}
        self.threads = threads
        self.workers = {}
        for peer in args.peers:
            self.start(peer)

    def start(self, peer):
        self.workers[peer] = Worker(self.commands[peer], {"OMP_NUM_THREADS": str(self.threads)})

    def ask(self, peer, job, args):
        """The peer's answer; one that is lost gets a new process for the next job."""
        try:
            return self.workers[peer].ask(job, args.limit_s, args.limit_gb * 1e9)
        except Lost as why:
            self.start(peer)
            return {"lost": str(why)}

    def close(self):
        for worker in self.workers.values():
            worker.close()


def difference(mine, theirs, cell, dtype):
    """How far results are apart, as a multiple of what is allowed; y first, then gradients."""
    sizes = [cell.b * cell.t * cell.h * cell.d, cell.b * cell.t * cell.h * cell.d,
             *[cell.b * cell.s * cell.g * cell.d] * 2]
    worst, begin = 0.0, 0
    for i, size in enumerate(sizes):
        a, b = mine[begin:begin + size], theirs[begin:begin + size]
        begin += size
        if a.size == 0 and b.size == 0:
            break
        allowed = TOLERANCE[dtype] * (1.0 if i == 0 else 10.0) * max(1.0, float(np.abs(a).max()))
        error = float(np.abs(a - b).max()) if a.size == b.size else float("inf")
        worst = max(worst, error / allowed) if error == error else float("inf")
    return worst


class Bench:
    def __init__(self, args):
        self.args = args
        self.wrong = []

    def check(self, crew, job, cell):
        """Runs every peer once. Returns the seconds, and the way, of those to time."""
        once, out = {}, {}
        for peer in self.args.peers:
            out[peer] = os.path.join(self.args.work, peer)
            answer = crew.ask(peer, {**job, "calls": 1, "repeat": 1, "warm": True,
                                    "out": out[peer]}, self.args)
            if "seconds" in answer:
                once[peer] = (answer["seconds"][0], answer.get("way"))
            elif "lost" in answer:
                print(f"{peer}: {answer['lost']} in {job['key']}", file=sys.stderr)
        results = {peer: np.fromfile(out[peer], np.float32) for peer in once}
        for peer in [p for p in once if p != "heed" and "heed" in once]:
            times = difference(results["heed"], results[peer], cell, job["dtype"])
            if not times <= 1.0:
                self.wrong.append(f"{peer} and heed differ by {times:.1f} times the tolerance: {job}")
                del once[peer]
        return once

    def rounds(self, crew, job, cell, once):
        """{peer: seconds of each round}, and the roof of each round."""
        args = self.args
        times, roofs = {peer: [] for peer in once}, []
        plan = {}
        for peer, (seconds, _) in once.items():
            calls = max(1, min(1000, round(0.002 / max(seconds, 1e-7))))
            repeat = max(1, min(50, int(args.seconds / args.rounds / max(seconds * calls, 1e-6))))
            plan[peer] = {**job, "calls": calls, "repeat": repeat, "warm": seconds < 0.2}
        for _ in range(args.rounds):
            time.sleep(SLACK_S)
            roofs.append(self.roof(crew, job, cell))
            for peer in once:
                time.sleep(SLACK_S)
                times[peer].append(min(crew.workers[peer].ask(plan[peer])["seconds"]))
        return times, roofs

    def roof(self, crew, job, cell):
        """The least time for the problem: its work at the peak rate, or reading k and v, whichever
        takes longer; with the name and rate of what limits."""
        def rate(question):
            return crew.workers["heed"].ask({**question, "threads": crew.threads})["rate"]

        if "heed" not in crew.workers or cell.s == 1:  # one key: nothing but calls
            return None
        if cell.t == 1:
            size = cell.key_value_bytes(job["dtype"])
            bandwidth = rate({"roof": "read", "bytes": size})
            return size / bandwidth, bandwidth
        pairs = rate({"roof": "pairs"}) if job["dtype"] == "bf16" else 0.0
        peak = pairs or rate({"roof": "fma"})
        return cell.flops(job["mask"], job["pass"]) / peak, peak

    def measure(self, crew, cell, mask, passes, dtype):
        job = {"b": cell.b, "h": cell.h, "g": cell.g, "t": cell.t, "s": cell.s, "d": cell.d,
               "mask": mask, "pass": passes, "dtype": dtype, "threads": crew.threads,
               "layout": self.args.layout,
               "data": os.path.join(self.args.work, "inputs"),
               "key": f"{cell.name} {mask} {passes} {dtype}"}
        once = self.check(crew, job, cell)
        if "heed" in self.args.peers and "heed" not in once or not once:
            return None
        times, roofs = self.rounds(crew, job, cell, once)
        row = {"cell": cell.name, "mask": mask, "pass": passes, "dtype": dtype,
               "threads": crew.threads, "flops": cell.flops(mask, passes), "seconds": times,
               "ways": {peer: way for peer, (_, way) in once.items() if way}}
        if roofs[0]:
            row["roof"] = statistics.median(rate for _, rate in roofs)
            row["share"] = statistics.median(
                least / seconds for (least, _), seconds in zip(roofs, times["heed"]))
        return row


def shown(row, peer, by_time):
    if peer not in row["seconds"]:
        return "-"
    seconds = statistics.median(row["seconds"][peer])
    if by_time:
        return f"{seconds * 1e3:.3g} ms" if seconds > 1e-4 else f"{seconds * 1e6:.3g} us"
    rate = row["flops"] / seconds / 1e9
    return f"{rate:.0f}" if rate >= 10 else f"{rate:.2g}"


def verdict(row):
    times = row["seconds"]
    others = [peer for peer in times if peer != "heed"]
    if "heed" not in times or not others:
        return "-"
    best = min(others, key=lambda peer: statistics.median(times[peer]))
    pairs = [theirs / ours for ours, theirs in zip(times["heed"], times[best])]
    return f"{statistics.median(pairs):.2f} of {best} ({min(pairs):.2f} to {max(pairs):.2f})"


def print_row(row, cell, peers):
    by_time = cell.t == 1
    roof = share = "-"
    if "roof" in row:
        roof = f"{row['roof'] / 1e9:.0f} {'GB/s' if by_time else 'GFLOP/s'}"
        share = f"{row['share']:.0%}".replace("%", " %")
    figures = " | ".join(shown(row, peer, by_time) for peer in peers)
    passes = "forward" if row["pass"] == "forward" else "forward + backward"
    print(f"| {row['cell']} | {row['mask']} | {passes} | {row['dtype']} | {row['threads']} | {roof} | "
          f"{share} | {figures} | {verdict(row)} |", flush=True)


def speed(args):
    bench = Bench(args)
    if not args.json:
        print("| B x H x T x D | mask | pass | dtype | threads | roof | heed's share | "
              f"{' | '.join(args.peers)} | heed / best peer (rounds: min to max) |")
        print("|---" * (len(args.peers) + 8) + "|", flush=True)
    for threads in args.threads:
        crew = Crew(args, threads)
        for dtype in args.dtype:
            for cell in map(Cell.parse, args.cells):
                write_inputs(os.path.join(args.work, "inputs"), cell, dtype)
                masks = args.masks if cell.t == cell.s > 1 else ["full"]
                passes = args.passes if cell.t == cell.s else ["forward"]
                for mask, which in ((m, p) for m in masks for p in passes):
                    row = bench.measure(crew, cell, mask, which, dtype)
                    if row and args.json:
                        print(json.dumps(row), flush=True)
                    elif row:
                        print_row(row, cell, args.peers)
        crew.close()
    return bench.wrong


def memory(args):
    """Time and peak memory above inputs and outputs of one head, f32 and D 64 unless said."""
    if not args.json:
        print(f"| tokens | mask | pass | dtype | threads | {' | '.join(args.peers)} |")
        print("|---" * (len(args.peers) + 5) + "|", flush=True)
    for threads, dtype, tokens in ((n, d, t) for n in args.threads for d in args.dtype
                                   for t in args.tokens):
        cell = Cell(str(tokens), 1, 1, 1, tokens, tokens, 64)
        write_inputs(os.path.join(args.work, "inputs"), cell, dtype)
        for mask, passes in ((m, p) for m in args.masks for p in args.passes):
            job = {**vars(cell), "memory": True, "mask": mask, "pass": passes, "dtype": dtype,
                   "threads": threads, "layout": args.layout, "data": os.path.join(args.work, "inputs")}
            row = {"tokens": tokens, "mask": mask, "pass": passes, "dtype": dtype,
                   "threads": threads, "peers": {}}
            for peer in args.peers:  # a process for each: nothing is kept from run to run
                crew = Crew(argparse.Namespace(**{**vars(args), "peers": [peer]}), threads)
                row["peers"][peer] = crew.ask(peer, job, args)
                crew.close()
            if args.json:
                print(json.dumps(row), flush=True)
            else:
                figures = " | ".join(map(memory_shown, row["peers"].values()))
                print(f"| {tokens} | {mask} | {passes} | {dtype} | {threads} | {figures} |", flush=True)
    return []


def memory_shown(answer):
    if "seconds" not in answer:
        return answer.get("lost", "-")
    return f"{answer['seconds'] * 1e3:.3g} ms, {max(answer['peak_bytes'], 0) / 1e6:.1f} MB"


def about(args):
    """One line on what was measured where."""
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True,
                            cwd=os.path.dirname(os.path.abspath(__file__)), check=False).stdout.strip()
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        info = file.read()
    flags = re.search(r"flags\s*:(.*)", info)[1].split() if "flags" in info else []
    named = [flag for flag in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")
             if flag in flags]
    crew = Crew(args, 1)
    versions = []
    for peer, worker in crew.workers.items():
        answer = worker.ask({"about": True})
        versions.append(f"{peer} {answer.get('version') or commit + ' (' + answer['isa'] + ')'}")
    crew.close()
    print(f"{', '.join(versions)}; {os.cpu_count()} processors with {' '.join(named)}; load "
          f"{os.getloadavg()[0]:.1f}; {args.rounds} rounds, {args.seconds:g} s a peer and cell\n",
          flush=True)


def arguments():
    def words(text):
        return text.split(",")

    def numbers(text):
        return [int(word) for word in words(text)]

    parser = argparse.ArgumentParser(prog="./dev bench attention", description=__doc__)
    parser.add_argument("--heed", required=True, help="the program bench_attention")
    parser.add_argument("--onednn", required=True, help="the program of bench/attention_onednn.cc")
    parser.add_argument("--work", required=True, help="folder for the inputs")
    parser.add_argument("--cells", type=words, default=words(USUAL), help=Cell.__doc__)
    parser.add_argument("--masks", type=words, default=["full", "causal"],
                        help="full, causal, windowN: the query's key and the N - 1 before it")
    parser.add_argument("--passes", type=words, default=["forward", "both"], help="forward, both")
    parser.add_argument("--dtype", type=words, default=["f32"], help="f32, bf16, f16")
    parser.add_argument("--threads", type=numbers, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1, help="time for each peer and cell")
    parser.add_argument("--peers", type=words, default=PEERS, help=",".join(PEERS))
    parser.add_argument("--layout", choices=["bthd", "bhtd"], default="bthd",
                        help="of Heed's q, k and v: as projections leave them, or heads apart; "
                             "peers always have what they like best")
    parser.add_argument("--all", action="store_true", help="every cell, mask and dtype: an hour or two")
    parser.add_argument("--memory", action="store_true",
                        help="time and peak memory above inputs and outputs, one head, D 64")
    parser.add_argument("--tokens", type=numbers, default=[1000, 4096, 16384, 65536, 131072],
                        help="with --memory")
    parser.add_argument("--limit-gb", type=float, default=12, help="more memory ends a peer")
    parser.add_argument("--limit-s", type=float, default=300, help="a longer job ends a peer")
    parser.add_argument("--json", action="store_true", help="one object a row, with every round")
    args = parser.parse_args()
    if args.all:
        args.cells, args.masks = words(ALL), ["full", "causal", "window256"]
        args.dtype = ["f32", "bf16"]
    return args


def main():
    args = arguments()
    os.makedirs(args.work, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=args.work) as args.work:
        if not args.json:
            about(args)
        wrong = memory(args) if args.memory else speed(args)
    for line in wrong:
        print(line, file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
