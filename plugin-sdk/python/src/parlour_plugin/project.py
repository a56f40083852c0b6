"""What a plugin's `pyproject.toml` says about it. A component has no files, so the build writes it down for there."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: What a plugin may be called, as the manifest's schema has it.
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


class ProjectError(Exception):
    """The project cannot be read; the text says what to change."""


@dataclass(frozen=True)
class Project:
    #: The plugin's id.
    name: str
    version: str
    #: The module whose import declares the plugin.
    module: str
    license: str | None = None
    homepage: str | None = None
    #: SVG source by the name that `plugin(icon=…)` gives.
    images: dict[str, str] = field(default_factory=dict)
    #: Where its modules are; none in a component.
    source: Path | None = None
    folder: Path | None = None


#: In a component: the project that it was built from.
built: Project | None = None


def of(start: Path) -> Project:
    """The project that a file belongs to."""
    if built is not None:
        return built
    for folder in [start, *start.parents]:
        if (folder / "pyproject.toml").is_file():
            return read(folder)
    raise ProjectError(f"there is no `pyproject.toml` above `{start}`")


def read(folder: Path) -> Project:
    file = folder / "pyproject.toml"
    try:
        settings = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise ProjectError(f"there is no project in `{folder}`: it has no pyproject.toml") from None
    except tomllib.TOMLDecodeError as error:
        raise ProjectError(f"`{file}`: {error}") from None
    about: dict[str, Any] = settings.get("project", {})
    for key in ("name", "version"):
        if not isinstance(about.get(key), str):
            raise ProjectError(f"`{file}` has no `{key}` below `[project]`")
    name = about["name"].replace("-", "_")
    if not NAME.fullmatch(name):
        raise ProjectError(f"`{about['name']}` is no name for a plugin: it has small letters, digits and `_`, and begins with a letter")
    source = folder / "src" if (folder / "src").is_dir() else folder
    return Project(
        name=name,
        version=about["version"],
        module=settings.get("tool", {}).get("parlour", {}).get("module", name),
        license=_license(about.get("license")),
        homepage=about.get("urls", {}).get("Homepage") or about.get("urls", {}).get("homepage"),
        images={it.name: it.read_text("utf-8").strip() for it in sorted(folder.glob("*.svg"))},
        source=source,
        folder=folder,
    )


def _license(said: Any) -> str | None:
    match said:
        case str():
            return said
        case {"text": str(text)}:
            return text
        case _:
            return None
