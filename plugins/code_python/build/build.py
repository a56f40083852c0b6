"""Makes the plugin as the server has it in its binary:

    python build/build.py FOLDER

writes `code_python.wasm.gz`, because it is a third of the size, and `code_python.json`: what the plugin says of itself, so that
nobody has to compile an interpreter to know it.
"""

import gzip
import hashlib
import json
import sys
import tempfile
from pathlib import Path

PLUGIN = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PLUGIN.parent.parent / "plugin-sdk" / "python" / "src"))

from parlour_plugin import build, project  # noqa: E402
from parlour_plugin.declaration import declared  # noqa: E402


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as made:
        file = Path(made) / "code_python.wasm"
        build.build(PLUGIN, file)
        component = file.read_bytes()
    beside = {"sha256": hashlib.sha256(component).hexdigest(), "manifest": declared.manifest()}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "code_python.json").write_text(json.dumps(beside, ensure_ascii=False), "utf-8")
    # Without a time, so that the same component is the same file.
    (folder / "code_python.wasm.gz").write_bytes(gzip.compress(component, 9, mtime=0))


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004
        sys.exit("usage: python build/build.py FOLDER")
    try:
        main(Path(sys.argv[1]))
    except project.ProjectError as error:
        sys.exit(f"error: {error}")
