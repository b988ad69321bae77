"""A peer of a benchmark: a process of its own that answers jobs, one JSON object a line.

It works only in its turn, because idle thread pools of one peer spin and would slow the next one
down.
"""
import json
import os
import re
import select
import statistics
import subprocess
import time


def clock(threads):
    """Seconds. With one thread the processor time of the process, which other programs do not add to."""
    return time.process_time() if threads == 1 else time.perf_counter()


def peak_bytes():
    """Of this process (getrusage() would tell of the one that started it, if that was larger)."""
    with open("/proc/self/status", encoding="ascii") as file:
        return int(re.search(r"VmHWM:\s*(\d+)", file.read())[1]) * 1024


def ratio(ours, theirs):
    """How many times as fast we are by the rounds' seconds: the median of the rounds' own ratios, and
    their range."""
    pairs = [b / a for a, b in zip(ours, theirs)]
    return f"{statistics.median(pairs):.2f} ({min(pairs):.2f} to {max(pairs):.2f})"


class Lost(SystemExit):
    """The process ended, or was ended because it passed a limit; says which."""


class Worker:
    def __init__(self, command, environment=None):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL,
                                        env={**os.environ, **(environment or {})})

    def ask(self, job, limit_s=float("inf"), limit_bytes=float("inf")):
        self.process.stdin.write(json.dumps(job).encode() + b"\n")
        self.process.stdin.flush()
        start = time.monotonic()
        while not select.select([self.process.stdout], [], [], 0.05)[0]:
            if time.monotonic() - start > limit_s:
                self.end(f"> {limit_s:.0f} s")
            if self.resident_bytes() > limit_bytes:
                self.end(f"> {limit_bytes / 1e9:.0f} GB")
        line = self.process.stdout.readline()
        if not line:
            raise Lost(f"a peer died on {job}: {self.process.args}")
        return json.loads(line)

    def resident_bytes(self):
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def end(self, why):
        self.process.kill()
        self.process.wait()
        raise Lost(why)

    def close(self):
        self.process.stdin.close()
        self.process.wait()
