#!/usr/bin/env python3
"""Writes tests/golden/io: small files as NumPy and safetensors write them.

Values are counted up, so the tests know them: element i (in C order) of every array is i - 3, of
the booleans i % 2. The versions used are in versions.json beside the files.
"""

import json
import pathlib

import numpy as np
import safetensors
import safetensors.numpy
import safetensors.torch
import torch

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "io"


def counted(shape, dtype):
    values = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    return values % 2 == 1 if np.dtype(dtype) == bool else (values - 3).astype(dtype)


def write_npy(name, array, version=None):
    with open(FOLDER / f"{name}.npy", "wb") as file:
        np.lib.format.write_array(file, array, version=version)


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for code in ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?"]:
        dtype = np.dtype(code)
        write_npy(f"{dtype.name}_c", counted((2, 3), dtype))
    write_npy("float32_fortran", np.asfortranarray(counted((2, 3, 4), "f4")))
    write_npy("float64_big", counted((2, 3), ">f8"))
    write_npy("int16_big_fortran", np.asfortranarray(counted((3, 2), ">i2")))
    write_npy("float32_scalar", counted((), "f4"))
    write_npy("float32_empty", counted((0, 5), "f4"))
    write_npy("float32_vector_v2", counted((7,), "f4"), version=(2, 0))
    write_npy("float32_vector_v3", counted((7,), "f4"), version=(3, 0))
    write_npy("complex64", counted((2,), "c8"))
    write_npy("record", np.zeros(2, dtype=[("a", "f4"), ("b", "i4")]))
    write_npy("object", np.array([None, 1], dtype=object))

    arrays = {"y": counted((2, 3), "f4"), "ids": counted((4,), "i8")}
    np.savez(FOLDER / "stored.npz", **arrays)
    np.savez_compressed(FOLDER / "deflated.npz", **arrays)

    floats = {name: counted(shape, "f4") for name, shape in {"a.weight": (2, 3), "b": (5,)}.items()}
    safetensors.numpy.save_file(floats, FOLDER / "f32.safetensors", {"format": "np"})
    every = {}
    for name, code in [("BOOL", "?"), ("U8", "u1"), ("I8", "i1"), ("I16", "i2"), ("U16", "u2"),
                       ("F16", "f2"), ("I32", "i4"), ("U32", "u4"), ("F32", "f4"), ("F64", "f8"),
                       ("I64", "i8"), ("U64", "u8"), ("C64", "c8")]:
        every[name] = counted((2, 3), code)
    safetensors.numpy.save_file(every, FOLDER / "numpy_dtypes.safetensors")
    values = torch.arange(6).reshape(2, 3).float() - 3
    narrow = {
        "BF16": values.bfloat16(),
        "F8_E4M3": values.to(torch.float8_e4m3fn),
        "F8_E5M2": values.to(torch.float8_e5m2),
        "F8_E8M0": torch.ones(3).to(torch.float8_e8m0fnu),
        "F4": torch.zeros(2, 2, dtype=torch.uint8).view(torch.float4_e2m1fn_x2),
    }
    safetensors.torch.save_file(narrow, FOLDER / "torch_dtypes.safetensors")
    versions = {"numpy": np.__version__, "safetensors": safetensors.__version__,
                "torch": torch.__version__}
    (FOLDER / "versions.json").write_text(json.dumps(versions) + "\n")


if __name__ == "__main__":
    main()
