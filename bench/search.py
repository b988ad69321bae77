#!/usr/bin/env python3
"""Exact nearest vectors beside faiss-cpu (IndexFlatIP) and NumPy, on the same rows, a query at a time.

    python bench/search.py build/bench/bench/bench_search [--counts 10000,100000,1000000] [--threads 1,2]

Rows are random directions, and clusters (1,000 centres, as texts' vectors crowd). Prints medians over the
queries of the best of --rounds runs each, and the time to read as many bytes as the scan reads. An answer that
differs from faiss by more than the order of scores within 1e-5 ends the run.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time


def vectors_of(kind, count, width, seed, centres):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((count, width), dtype=np.float32)
    if kind == "clusters":
        rows = 0.4 * rows + centres[rng.integers(0, len(centres), count)]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def best_of(rounds, work):
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times), result


def check(vectors, queries, ours, theirs):
    for query, a, b in zip(queries, ours, theirs):
        if not np.allclose(vectors[a] @ query, vectors[b] @ query, rtol=0, atol=1e-5):
            sys.exit(f"rows {a} found, faiss has {list(b)}")


def cell(args, kind, count, threads, folder):
    centres = np.random.default_rng(7).standard_normal((1000, args.width), dtype=np.float32)
    vectors = vectors_of(kind, count, args.width, 1, centres)
    queries = vectors_of(kind, args.queries, args.width, 2, centres)
    np.save(folder / "vectors.npy", vectors)
    np.save(folder / "queries.npy", queries)
    out = subprocess.run([args.program, folder / "vectors.npy", folder / "queries.npy", str(args.k), str(threads),
                          str(args.rounds)], check=True, stdout=subprocess.PIPE).stdout
    ours = json.loads(out)
    faiss.omp_set_num_threads(threads)
    index = faiss.IndexFlatIP(args.width)
    index.add(vectors)
    peer = [best_of(args.rounds, lambda: index.search(query[None], args.k)[1][0]) for query in queries]
    check(vectors, queries, ours["rows"], [rows for _, rows in peer])

    def by_numpy(query):
        scores = vectors @ query
        top = np.argpartition(scores, -args.k)[-args.k:]
        return top[np.argsort(-scores[top])]

    plain = [best_of(args.rounds, lambda: by_numpy(query))[0] for query in queries]
    heed, flat = float(np.median(ours["ms"])), float(np.median([ms for ms, _ in peer]))
    print(f"{kind:9} {count:8} {threads} | heed {heed:8.3f} ms (reading {ours['read_ms']:8.3f}) | faiss {flat:8.3f} ms"
          f" | numpy {np.median(plain):8.3f} ms | {flat / heed:5.2f} times faiss", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("program")
    parser.add_argument("--counts", default="10000,100000,1000000")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--queries", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("-k", type=int, default=10)
    args = parser.parse_args()
    for threads in args.threads.split(","):
        with tempfile.TemporaryDirectory() as name:
            for count in args.counts.split(","):
                for kind in ("random", "clusters"):
                    cell(args, kind, int(count), int(threads), pathlib.Path(name))


if __name__ == "__main__":
    # read by the libraries when they load; one process a number of threads keeps NumPy's right too
    chosen = [a.split("=")[-1] for a in sys.argv if a.startswith("--threads=")]
    os.environ["OPENBLAS_NUM_THREADS"] = chosen[0] if chosen else str(os.cpu_count())
    import faiss
    import numpy as np
    main()
