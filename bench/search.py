#!/usr/bin/env python3
"""Exact nearest vectors beside faiss-cpu (IndexFlatIP) and NumPy, on the same rows, a query at a time.

Rows are random directions, and clusters (1,000 centres, as texts' vectors crowd). Prints medians over the
queries of the best of --rounds runs each, and the time to read as many bytes as the scan reads. An answer that
differs from faiss by more than the order of scores within 1e-5 ends the run. Prints Markdown.
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
    print(f"| {kind} | {count} | {threads} | {heed:.3f} | {ours['read_ms']:.3f} | {flat:.3f} | {np.median(plain):.3f} "
          f"| {flat / heed:.2f} |", flush=True)


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench search", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="bench_search")
    parser.add_argument("--counts", default="10000,100000,1000000")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--queries", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--rows-only", action="store_true", help="no head of the table")
    return parser.parse_args()


def main(args, threads):
    with tempfile.TemporaryDirectory() as name:
        for count in args.counts.split(","):
            for kind in ("random", "clusters"):
                cell(args, kind, int(count), threads, pathlib.Path(name))


if __name__ == "__main__":
    args = arguments()
    threads = args.threads.split(",")
    if not args.rows_only:
        print("| rows | count | threads | heed, ms | reading as many bytes, ms | faiss, ms | numpy, ms | faiss / heed |")
        print("|---" * 8 + "|", flush=True)
    if len(threads) > 1:  # a process each: NumPy's library asks once how many it may use
        for one in threads:
            subprocess.run([sys.executable, *sys.argv, "--threads", one, "--rows-only"], check=True)
    else:
        os.environ["OPENBLAS_NUM_THREADS"] = threads[0]
        import faiss
        import numpy as np

        main(args, int(threads[0]))
