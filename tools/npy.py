#!/usr/bin/env python3
"""Writes small .npy files without NumPy, to try heed attend with.

    npy.py FILE random SIZE... [--seed N]   normal numbers, f32
    npy.py FILE values NUMBER...            a list: int64 if all are whole, else f32
"""
import argparse
import array
import math
import random


def write(file, descr, shape, data):
    sizes = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
    head = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sizes}), }}"
    head = head.ljust(-(len(head) + 11) % 64 + len(head)) + "\n"
    with open(file, "wb") as out:
        out.write(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode())
        data.tofile(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("kind", choices=["random", "values"])
    parser.add_argument("numbers", nargs="+")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.kind == "random":
        shape = [int(size) for size in given.numbers]
        draw = random.Random(f"{given.seed} {given.file}")
        write(given.file, "<f4", shape, array.array("f", (draw.gauss(0, 1) for _ in range(math.prod(shape)))))
    elif all(number.lstrip("-").isdigit() for number in given.numbers):
        write(given.file, "<i8", [len(given.numbers)], array.array("q", map(int, given.numbers)))
    else:
        write(given.file, "<f4", [len(given.numbers)], array.array("f", map(float, given.numbers)))


if __name__ == "__main__":
    main()
