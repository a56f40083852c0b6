"""The plugin as an ordinary program. What only the sandbox can show (limits, files, fresh instances) is in the server's tests."""

import unittest

from parlour_plugin import ToolError
from parlour_plugin.testing import FakeHost

import code_python  # noqa: F401 (declares the plugin)
from code_python import library


def output(source, **inputs):
    return FakeHost().call("run", {"source": source, "inputs": inputs})["output"]


def error(source):
    host = FakeHost()
    try:
        found = host.call("run", {"source": source})
    except ToolError as refused:
        return f"{refused.kind}: {refused.message}", host.logs
    raise AssertionError(f"{source!r} gave {found}")


class Running(unittest.TestCase):
    def test_the_examples_are_true(self):
        FakeHost().check_examples()

    def test_a_source_is_a_functions_body(self):
        for source, expected in [
            ("return 1 + 1", 2),
            ("", None),
            ("# nothing", None),
            ("x = (1, 'a')\nreturn x", [1, "a"]),
            ("def twice(n):\n    return 2 * n\nreturn [twice(n) for n in (1, 2)]", [2, 4]),
            ("def count(n):\n    return 0 if n == 0 else 1 + count(n - 1)\nreturn count(50)", 50),
            ("global total\ntotal = 1\ndef add():\n    global total\n    total += 1\nadd()\nreturn total", 2),
            ("from dataclasses import dataclass, asdict\n@dataclass\nclass Dish:\n    price: float\nreturn asdict(Dish(2))", {"price": 2}),
            ("return '{{ inputs.nothing }}{% if %}'", "{{ inputs.nothing }}{% if %}"),
            ("return __name__", "__main__"),
            ("if not inputs:\n    return 'none'", "none"),
        ]:
            with self.subTest(source):
                self.assertEqual(output(source), expected)
        self.assertEqual(output("return inputs['dishes'][0]['price']", dishes=[{"price": 38.5}]), 38.5)

    def test_every_module_that_is_promised_is_there(self):
        for name in library.MODULES:
            with self.subTest(name):
                self.assertIsNone(output(f"import {name}"))

    def test_nothing_is_left_of_a_call(self):
        output("global marker\nmarker = inputs['secret']", secret="s3cret")
        self.assertEqual(output("return 'marker' in globals()"), False)
        self.assertEqual(output("inputs['more'] = 1\nreturn inputs"), {"more": 1})
        self.assertEqual(output("return inputs"), {})


class Failing(unittest.TestCase):
    def test_what_goes_wrong_is_said_with_its_place(self):
        for source, expected in [
            ("a = None\n\na.b", "failed: AttributeError: 'NoneType' object has no attribute 'b' (line 3, column 1)"),
            ("x = '你好'; 1 / 0", "failed: ZeroDivisionError: division by zero (line 1, column 11)"),
            ("raise ValueError('坏了')", "failed: ValueError: 坏了 (line 1, column 1)"),
            ("raise Exception", "failed: Exception (line 1, column 1)"),
            ("class E(Exception):\n    def __str__(self):\n        raise self\nraise E", "failed: E: its text cannot be shown (line 4, column 1)"),
            ("misspelt", "failed: NameError: name 'misspelt' is not defined (line 1, column 1)"),
            ("import sys\nsys.exit(3)", "failed: SystemExit: the code ends with `return`"),
            ("raise KeyboardInterrupt", "failed: KeyboardInterrupt (line 1, column 1)"),
            ("def deep(n):\n    return deep(n + 1)\ndeep(0)", "failed: RecursionError: maximum recursion depth exceeded"),
            ("import json\njson.loads('{')", "(line 2, column 1)"),
            ("x = ;", "invalid_input: SyntaxError: invalid syntax (line 1, column 5)"),
            ("if True:\nreturn 1", "invalid_input: IndentationError: expected an indented block"),
            ("return 1\n)", "invalid_input: SyntaxError: unmatched ')' (line 2, column 1)"),
            ("await x", "invalid_input: SyntaxError: 'await' outside async function (line 1, column 1)"),
            ("return '\0'", "invalid_input: "),
        ]:
            with self.subTest(source):
                self.assertIn(expected, error(source)[0])

    def test_what_json_cannot_hold_is_said_with_its_path_and_what_to_write(self):
        for source, expected in [
            ("return {1, 2}", "what the code returned is a set, which JSON cannot hold; write `sorted(…)` or `list(…)` of it"),
            ("return {'list': [1, {'big': 2 ** 70}]}", "`list[1].big` is a whole number of more than 64 bits"),
            ("return {'a': {1: 2}}", "`a` has the key 1, and JSON's keys are texts"),
            ("return [float('nan')]", "`[0]` is nan"),
            ("return float('-inf')", "is -inf"),
            ("import datetime\nreturn datetime.date(2026, 1, 2)", "is a date, which JSON cannot hold; write `.isoformat()` of it"),
            ("from decimal import Decimal\nreturn {'sum': Decimal('1.10')}", "`sum` is a Decimal, which JSON cannot hold; write `float(…)`"),
            ("a = {}\na['a'] = a\nreturn a", "`a` contains itself"),
            ("x = []\nfor _ in range(5000):\n    x = [x]\nreturn x", "more than 120 levels"),
            ("return lambda: 1", "is a function, which JSON cannot hold"),
            ("yield 1", "is a generator, which JSON cannot hold; write `list(…)` of it"),
            ("return b'bytes'", "is a bytes, which JSON cannot hold; write `.decode()`"),
            ("return '\\ud800'", "half of a surrogate pair"),
        ]:
            with self.subTest(source):
                found, _ = error(source)
                self.assertTrue(found.startswith("failed: ") and expected in found, found)

    def test_the_way_there_is_logged_where_there_is_one(self):
        _, logs = error("def price(dish):\n    return dish['price']\nprice({})")
        lines = [line for level, line in logs if level == "error"]
        self.assertIn('  File "<code>", line 3, in main', lines)
        self.assertIn("    return dish['price']", lines)
        self.assertEqual(error("1 / 0")[1], [])

    def test_a_module_that_is_not_there_is_told_by_what_is(self):
        self.assertIn("did you mean `json`?", library.absent("jsn"))
        self.assertIn("there are: abc, array", library.absent("numpy"))


class Declaring(unittest.TestCase):
    def test_the_manifest_asks_for_nothing(self):
        from parlour_plugin.declaration import declared

        manifest = declared.manifest()
        self.assertEqual((manifest["id"], manifest["permissions"]), ("code_python", {"knowledge": [], "http": []}))
        (tool,) = manifest["tools"]
        self.assertEqual((tool["name"], tool["effects"], tool["idempotent"]), ("run", "none", True))
        self.assertEqual(tool["input"]["required"], ["source"])
        self.assertEqual(tool["input"]["properties"]["source"]["x-widget"], "code")
        self.assertEqual(tool["output"]["required"], ["output"])
        self.assertTrue(manifest["icon"].startswith("<svg"))


if __name__ == "__main__":
    unittest.main()
