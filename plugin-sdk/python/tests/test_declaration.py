"""What `plugin` and `tool` make of a module: the manifest, and mistakes in words."""

import datetime
import enum
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

from jsonschema import Draft202012Validator
from mashumaro.jsonschema.annotations import Maximum, Minimum, MinLength
from support import PluginTest

from parlour_plugin import Extra, Secret, ask, project, schema, tool, zh

PUBLISHED = Path(__file__).parents[2] / "manifest.schema.json"


class Colour(enum.Enum):
    RED = "red"
    WHITE = "white"


@dataclass
class Wine:
    """One wine.

    - with
    - a list
    """

    name: Annotated[str, MinLength(1)]
    price: Annotated[float, "Price of a bottle", zh("每瓶价格"), Minimum(0)]
    colour: Colour = Colour.RED
    bottled: datetime.date | None = None
    notes: list[str] = field(default_factory=list)


@dataclass
class Branch:
    name: str
    below: list["Branch"] = field(default_factory=list)


@dataclass
class Settings:
    api_key: Annotated[Secret, "Key of the service", zh("服务的密钥")]
    base: str = "https://example.com"
    spare: Optional[Secret] = None


class Manifest(PluginTest):
    def test_it_is_what_the_contract_wants(self):
        @tool(
            title={"en": "Affordable wines", "zh": "便宜的酒"},
            zh="保留不超过限价的酒。",
            examples=[{"title": "None", "input": {"wines": [], "limit": 1}, "output": []}],
        )
        def affordable(
            wines: list[Wine], limit: Annotated[float, "The most a bottle\n    may cost"], sort: Literal["price", "name"] = "price"
        ) -> list[str]:
            """Keeps the wines that
            cost no more than a limit."""
            return []

        self.plugin(title="Wine list", zh="帮客人选酒。", icon="icon.svg", config=Settings, permissions=[
            ask.knowledge("menu", reason="Why."),
            ask.http("api.example.com", "POST", reason={"en": "Why.", "zh": "原因。"}),
            ask.model("fast", max_tokens=100, reason="Why."),
            ask.storage(max_bytes=10, reason="Why."),
        ])  # fmt: skip
        manifest = self.manifest()
        Draft202012Validator(json.loads(PUBLISHED.read_text())).validate(manifest)
        self.assertEqual(manifest["id"], "wine_list")
        self.assertEqual(
            [manifest[it] for it in ("version", "license", "homepage", "icon")],
            ["0.2.0", "MIT", "https://example.com", "<svg/>"],
        )
        self.assertEqual(manifest["title"], {"en": "Wine list", "zh": "Wine list"})
        self.assertEqual(manifest["description"], {"en": "Helps to choose a wine.", "zh": "帮客人选酒。"})
        self.assertEqual(manifest["permissions"]["http"][0]["methods"], ["POST"])
        self.assertEqual(manifest["permissions"]["model"]["max_tokens_per_call"], 100)
        (told,) = manifest["tools"]
        self.assertEqual(told["description"]["en"], "Keeps the wines that cost no more than a limit.")
        self.assertEqual((told["effects"], told["idempotent"]), ("reads", True))
        self.assertEqual(told["input"]["required"], ["wines", "limit"])
        self.assertEqual(told["input"]["additionalProperties"], False)
        self.assertEqual(told["input"]["properties"]["limit"], {"type": "number", "description": "The most a bottle may cost"})
        self.assertEqual(told["input"]["properties"]["sort"], {"type": "string", "enum": ["price", "name"], "default": "price"})
        wine = told["input"]["properties"]["wines"]["items"]
        self.assertEqual(wine["description"], "One wine.\n\n- with\n- a list")
        self.assertEqual(
            wine["properties"]["price"],
            {"type": "number", "minimum": 0, "description": "Price of a bottle", "x-description": {"zh": "每瓶价格"}},
        )
        self.assertEqual(wine["properties"]["bottled"], {"type": ["string", "null"], "format": "date", "default": None})
        self.assertEqual(wine["properties"]["colour"], {"enum": ["red", "white"], "type": "string", "default": "red"})
        settings = manifest["config"]["properties"]
        self.assertEqual((settings["api_key"]["secret"], settings["spare"]["secret"]), (True, True))
        self.assertEqual(settings["api_key"]["x-description"], {"zh": "服务的密钥"})
        self.assertEqual(manifest["config"]["required"], ["api_key"])

    def test_schemas_of_more_types(self):
        for kind, expected in [
            (Any, {}),
            (None, {"type": "null"}),
            (int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
            (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
            (Annotated[int, Maximum(3), Extra({"x-widget": "slider"})], {"type": "integer", "maximum": 3, "x-widget": "slider"}),
            (Optional[Colour], {"enum": ["red", "white", None], "type": ["string", "null"]}),
            (tuple[int, str], {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "maxItems": 2, "minItems": 2}),
        ]:
            with self.subTest(kind):
                self.assertEqual(schema.of(kind), expected)
        branch = schema.of(Branch)
        Draft202012Validator(branch).validate({"name": "a", "below": [{"name": "b"}]})
        self.assertTrue(list(Draft202012Validator(branch).iter_errors({"name": "a", "below": [{"name": 1}]})))

    def test_a_dataclass_named_input_is_the_whole_argument_object(self):
        @tool
        def priced(input: Wine) -> float:
            """The price."""
            return input.price

        @tool
        def named(input: str) -> str:
            """The name."""
            return input

        self.plugin()
        whole, member = (told["input"] for told in self.manifest()["tools"])
        self.assertEqual(whole["required"], ["name", "price"])
        self.assertEqual(member["required"], ["input"])

    def test_mistakes_are_told_in_words(self):
        def without_docstring(a: int) -> int:
            return a

        def without_type(a) -> int:
            """A."""
            return a

        def without_result(a: int):
            """A."""

        def with_rest(*a: int) -> int:
            """A."""
            return 1

        async def waits(a: int) -> int:
            """A."""
            return a

        for function, words in [
            (without_docstring, "`without_docstring` has no docstring"),
            (without_type, "`a` needs a type"),
            (without_result, "needs a type after `->`"),
            (with_rest, "`*a: int` has no name"),
            (waits, "is asynchronous"),
        ]:
            with self.subTest(function.__name__), self.assertRaisesRegex(TypeError, words.replace("*", r"\*")):
                tool(function)
        with self.assertRaisesRegex(TypeError, "none of the effects"):
            tool(description="A.", effects="some")(without_docstring)
        with self.assertRaisesRegex(TypeError, "nothing is known"):
            self.manifest()
        self.plugin(icon="logo.svg")
        with self.assertRaisesRegex(TypeError, "has no tool"):
            self.manifest()
        tool(description="A.")(without_docstring)
        with self.assertRaisesRegex(TypeError, "two tools `without_docstring`"):
            tool(description="A.")(without_docstring)
        with self.assertRaisesRegex(TypeError, "the icon `logo.svg` is not there"):
            self.manifest()
        with self.assertRaisesRegex(TypeError, "called twice"):
            self.plugin()
        for wrong, words in [
            (lambda: ask.http("a.example.com", "FETCH", reason="Why."), "`FETCH` is no method"),
            (lambda: ask.http("https://a.example.com", reason="Why."), "is an address"),
            (lambda: ask.knowledge("menu", reason=" "), "has no text"),
            (lambda: ask.knowledge("menu", reason={"fr": "x"}), "a language `fr`"),
            (lambda: ask.as_manifest([ask.storage(max_bytes=1, reason="W.")] * 2), "asks for `storage` once"),
        ]:
            with self.subTest(words), self.assertRaisesRegex(TypeError, words):
                wrong()

    def test_a_project_that_cannot_be_read_is_told(self):
        for text, words in [
            ("[project]\nname = 'Wine List'\nversion = '1'", "`Wine List` is no name"),
            ("[project]\nname = 'wine'", "has no `version`"),
            ("[project", "pyproject.toml"),
        ]:
            (self.folder / "pyproject.toml").write_text(text)
            with self.subTest(text), self.assertRaisesRegex(project.ProjectError, words):
                project.read(self.folder)
        with self.assertRaisesRegex(project.ProjectError, "it has no pyproject.toml"):
            project.read(self.folder / "nowhere")
