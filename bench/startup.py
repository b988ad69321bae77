"""Start-up to the first embedding, and peak memory: `heed embed` of one short text, start to exit.

The program, the weights and the vocabulary are in the page cache (the first runs put them there).
Prints Markdown.
"""
import argparse
import os
import statistics
import subprocess
import time

RUNS = 21
WARM_UP = 3


def run_once(command):
    """Wall-clock milliseconds and peak resident bytes of one run."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    elapsed_ms = (time.perf_counter() - start) * 1e3
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"exit {process.returncode}: {command}")
    return elapsed_ms, usage.ru_maxrss * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="folder of the checkpoint")
    parser.add_argument("--heed", required=True, help="the program heed")
    parser.add_argument("--threads", default="1,2")
    args = parser.parse_args()
    weights = os.path.getsize(os.path.join(args.model, "model.safetensors"))
    allowed = weights * 1.2 + 64e6
    print("| threads | start to exit, ms (min to max) | peak memory, MB | weights x 1.2 + 64 MB |")
    print("|---|---|---|---|")
    for threads in args.threads.split(","):
        command = [args.heed, "embed", "I sat by the river bank.", "--json", "--quiet",
                   "--model", args.model, "--threads", threads]
        runs = [run_once(command) for _ in range(WARM_UP + RUNS)][WARM_UP:]
        times = [elapsed_ms for elapsed_ms, _ in runs]
        memory = max(peak for _, peak in runs)
        print(f"| {threads} | {statistics.median(times):.0f} ({min(times):.0f} to {max(times):.0f}) "
              f"| {memory / 1e6:.0f} | {allowed / 1e6:.0f} |")


if __name__ == "__main__":
    main()
