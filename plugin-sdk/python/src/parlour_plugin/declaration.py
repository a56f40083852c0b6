"""`plugin(…)` and `@tool`: what a module declares by being imported, and the manifest made of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, overload

from . import ask, project, schema
from .text import Text, both, of_docstring

Effects = Literal["none", "reads", "writes"]
F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class Tool:
    """A function and everything that is known of it without calling it."""

    function: Callable[..., Any]
    title: Text | None
    description: Text
    effects: Effects | None
    idempotent: bool | None
    examples: list[Mapping[str, Any]]
    #: Of the argument object, and whether that is the function's only parameter.
    arguments: type
    whole: bool
    output: Any

    @property
    def name(self) -> str:
        return self.function.__name__

    def run(self, arguments: Any) -> Any:
        """Calls the function with an argument object."""
        if self.whole:
            return self.function(arguments)
        return self.function(**{name: getattr(arguments, name) for name in self.arguments.__dataclass_fields__})  # type: ignore[attr-defined]


@dataclass
class Declared:
    """A whole plugin, as far as it has been declared."""

    #: By their names, in the order of the module.
    tools: dict[str, Tool] = field(default_factory=dict)
    about: dict[str, Any] | None = None
    file: Path | None = None
    permissions: list[ask.Permission] = field(default_factory=list)
    config: type | None = None

    def manifest(self) -> dict[str, Any]:
        """What `describe` answers (`manifest.schema.json`)."""
        if self.about is None or self.file is None:
            raise TypeError("the module does not call `plugin(…)`, so nothing is known about the plugin")
        if not self.tools:
            raise TypeError("the plugin has no tool: mark a function with `@tool`")
        found = project.of(self.file)
        icon = self.about["icon"]
        if icon is not None and icon not in found.images:
            raise TypeError(f"the icon `{icon}` is not there; it is a file beside `pyproject.toml` and its name ends with `.svg`")
        return {
            "id": found.name,
            "version": found.version,
            "title": both(self.about["title"] or _words(found.name), "the plugin's title"),
            "description": both(self.about["description"], "the plugin's description"),
            "icon": None if icon is None else found.images[icon],
            "homepage": found.homepage,
            "license": found.license,
            "tools": [self._told(tool) for tool in self.tools.values()],
            "config": None if self.config is None else schema.of_arguments(self.config),
            "permissions": ask.as_manifest(self.permissions),
        }

    def _told(self, tool: Tool) -> dict[str, Any]:
        effects = tool.effects or ("reads" if self.permissions else "none")
        return {
            "name": tool.name,
            "title": both(tool.title or _words(tool.name), f"the title of `{tool.name}`"),
            "description": both(tool.description, f"the description of `{tool.name}`"),
            "input": schema.of_arguments(tool.arguments),
            "output": schema.of(tool.output) if tool.output is not Any else {},
            "idempotent": effects != "writes" if tool.idempotent is None else tool.idempotent,
            "effects": effects,
            "examples": [_example(tool, example) for example in tool.examples],
        }


#: The plugin of this process: a component is one plugin, and so is a test run.
declared = Declared()


def plugin(
    *,
    title: Text | None = None,
    description: Text | None = None,
    zh: str | None = None,
    icon: str | None = None,
    permissions: Sequence[ask.Permission] = (),
    config: type | None = None,
) -> None:
    """Says what the plugin is, once, in its module. Its id, version, licence and home page are those of `pyproject.toml`.

    The description is the module's docstring unless it is given; `zh` is its Chinese. `icon` is an SVG file beside
    `pyproject.toml`: plain shapes only, no scripts, styles or links. `config` is a dataclass whose schema is the tenant's
    settings form; read it with `config.read`.
    """
    if declared.about is not None:
        raise TypeError("`plugin(…)` is called twice; a component is one plugin")
    module = sys._getframe(1).f_globals
    text = description or of_docstring(module.get("__doc__"))
    declared.about = {"title": title, "description": _with_chinese(text, zh), "icon": icon}
    declared.file = Path(module.get("__file__") or ".").absolute()
    declared.permissions = list(permissions)
    declared.config = config


@overload
def tool(function: F) -> F: ...


@overload
def tool(
    *,
    title: Text | None = None,
    description: Text | None = None,
    zh: str | None = None,
    effects: Effects | None = None,
    idempotent: bool | None = None,
    examples: Sequence[Mapping[str, Any]] = (),
) -> Callable[[F], F]: ...


def tool(
    function: F | None = None,
    *,
    title: Text | None = None,
    description: Text | None = None,
    zh: str | None = None,
    effects: Effects | None = None,
    idempotent: bool | None = None,
    examples: Sequence[Mapping[str, Any]] = (),
) -> Any:
    """Makes a function a tool; it stays the function that it is.

    Its JSON Schemas are made of its types, its description is the docstring unless it is given, and `zh` is its Chinese.
    `effects` is `reads` when the plugin asks for a permission, else `none`; a tool with `writes` is not repeated unless it
    is `idempotent`. An example is `{"title": …, "input": {…}, "output": …}`, of which the output may be left out.
    """

    def declare(function: F) -> F:
        name = function.__name__
        if not project.NAME.fullmatch(name):
            raise TypeError(f"`{name}` is no name for a tool: it has small letters, digits and `_`, and begins with a letter")
        if name in declared.tools:
            raise TypeError(f"there are two tools `{name}`")
        if effects not in (None, "none", "reads", "writes"):
            raise TypeError(f"the tool `{name}`: `{effects}` is none of the effects `none`, `reads`, `writes`")
        text = description or of_docstring(function.__doc__)
        if not text:
            raise TypeError(f"the tool `{name}` has no docstring, by which people and models choose it")
        arguments, whole = schema.arguments(function)
        output = schema.result(function)
        schema.prepare(arguments)
        schema.prepare(output)
        declared.tools[name] = Tool(
            function, title, _with_chinese(text, zh), effects, idempotent, list(examples), arguments, whole, output
        )
        return function

    return declare if function is None else declare(function)


def _with_chinese(text: Text, zh: str | None) -> Text:
    if zh is None:
        return text
    return {"zh": zh} | ({"en": text} if isinstance(text, str) else dict(text))


def _words(name: str) -> str:
    """`split_bill` is “Split bill”."""
    return name.replace("_", " ").capitalize()


def _example(tool: Tool, example: Mapping[str, Any]) -> dict[str, Any]:
    unknown = example.keys() - {"title", "input", "output"}
    if unknown or "input" not in example:
        raise TypeError(f"an example of `{tool.name}` has a `title`, an `input` and an `output`, and nothing else")
    told = {"title": both(example.get("title") or _words(tool.name), f"an example of `{tool.name}`"), "input": example["input"]}
    return told | ({"output": example["output"]} if "output" in example else {})
