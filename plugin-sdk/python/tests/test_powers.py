"""Tools against the fake host: every power of the host, what it refuses, and what a tool's failures become."""

import json
from dataclasses import dataclass
from typing import Any

from support import PluginTest

from parlour_plugin import Secret, ToolError, ask, config, declaration, http, knowledge, log, model, storage, system, tool
from parlour_plugin.testing import FakeHost, Reply

MENU = [
    {"name": "水煮鱼", "spice": 3, "price": 68.0, "kind": "hot"},
    {"name": "凉拌黄瓜", "spice": 1, "price": 18.0, "kind": "cold", "tags": ["raw", "fresh"]},
    {"name": "口水鸡", "spice": 2, "price": 38.0, "kind": "cold"},
]


@dataclass
class Dish:
    name: str
    spice: int


@dataclass
class Settings:
    api_key: Secret
    base: str = "https://api.example.com"


class Calls(PluginTest):
    def declare(self, function, **options):
        tool(description="A tool.")(function)
        if declaration.declared.about is None:
            self.plugin(**options)

    def test_values_come_as_their_types_and_leave_as_json(self):
        def spicy(dishes: list[Dish], least: int = 2) -> list[Dish]:
            return [dish for dish in dishes if dish.spice >= least]

        self.declare(spicy)
        given = [{"name": "a", "spice": 1}, {"name": "b", "spice": 3}]
        self.assertEqual(FakeHost().call("spicy", {"dishes": given}), [{"name": "b", "spice": 3}])
        self.assertEqual(FakeHost().call("spicy", {"dishes": given, "least": 0}), given)
        self.refused("invalid_input", "'dishes' is a required property", FakeHost().call, "spicy", {})
        wrong = {"dishes": [{"name": "a", "spice": "hot"}]}
        self.refused("invalid_input", "`dishes[0].spice`: 'hot' is not of type 'integer'", FakeHost().call, "spicy", wrong)
        self.refused("invalid_input", "'more' was unexpected", FakeHost().call, "spicy", {"dishes": [], "more": 1})
        self.refused("not_found", "this plugin has: spicy", FakeHost().call, "mild", {})

    def test_a_default_is_not_shared_between_calls(self):
        def collect(into: list[str] = []) -> list[str]:  # noqa: B006
            into.append("x")
            return into

        self.declare(collect)
        host = FakeHost()
        self.assertEqual([host.call("collect", {}), host.call("collect", {})], [["x"], ["x"]])

    def test_failures_keep_their_kind_and_say_their_place(self):
        def fails(how: str) -> Any:
            match how:
                case "kind":
                    raise ToolError.rate_limited(7)
                case "exit":
                    raise SystemExit(3)
                case "set":
                    return {"found": {1}}
                case "text":
                    raise Unsayable
                case _:
                    return how.price

        class Unsayable(Exception):
            def __str__(self):
                raise ValueError

        self.declare(fails)
        host = FakeHost()
        with self.assertRaises(ToolError) as caught:
            host.call("fails", {"how": "kind"})
        self.assertEqual((caught.exception.kind, caught.exception.retry_after), ("rate_limited", 7))
        self.refused("failed", "SystemExit: 3 (test_powers.py, line ", host.call, "fails", {"how": "exit"})
        self.refused("failed", "`found` is a set, which JSON cannot hold", host.call, "fails", {"how": "set"})
        self.refused("failed", "Unsayable: its text cannot be shown", host.call, "fails", {"how": "text"})
        self.refused("failed", "AttributeError: 'str' object has no attribute 'price'", host.call, "fails", {"how": "x"})
        traceback = [line for level, line in host.logs if level == "error"]
        self.assertIn("    return how.price", [line[2:] if line.startswith("      ") else line for line in traceback])

    def test_an_output_of_another_type_is_told(self):
        def one() -> Dish:
            return {"name": "a"}

        self.declare(one)
        self.refused("failed", "what `one` returned does not fit: it is an object", FakeHost().call, "one", {})

    def test_examples_are_checked(self):
        @tool(examples=[{"input": {"n": 1}, "output": 2}, {"input": {"n": 2}, "output": 5}, {"input": {"n": 3}}])
        def twice(n: int) -> int:
            """Doubles."""
            return 2 * n

        self.plugin()
        with self.assertRaisesRegex(AssertionError, "stated 5\n  is     4"):
            FakeHost().check_examples()

    def test_there_is_no_host_outside_of_one(self):
        with self.assertRaisesRegex(RuntimeError, "there is no host here"):
            log.info("x")
        host = FakeHost().idempotency_key("run-1-node")
        with host:
            log.warn(1)
            self.assertEqual((system.now_ms(), system.idempotency_key()), (1_767_225_600_000, "run-1-node"))
            self.assertEqual((len(system.random(9000)), system.random(4)), (4096, system.random(4)))
        self.assertEqual(host.logs, [("warn", "1")])


class Knowledge(PluginTest):
    def setUp(self):
        super().setUp()
        self.host = FakeHost().knowledge_base("menu", MENU)

    def found(self, **filter):
        with self.host:
            return [entry.fields["name"] for entry in knowledge.entries("menu", filter=filter)]

    def test_search_list_and_get(self):
        with self.host:
            found = knowledge.search("menu", "鱼 水煮", top_k=1)
            self.assertEqual((found.status, found.hits[0].entry.read(Dish)), ("ok", Dish("水煮鱼", 3)))
            self.assertEqual(knowledge.search("menu", "牛排").status, "empty")
            self.assertEqual(knowledge.search("menu", "鱼", min_score=2).status, "empty")
            self.assertEqual(knowledge.get("menu", "menu-2").text, "凉拌黄瓜 cold")
            page = knowledge.page("menu", limit=2)
            self.assertEqual(len(knowledge.page("menu", cursor=page.next_cursor).entries), 1)
            self.refused("not_found", "there is no `menu-9`", knowledge.get, "menu", "menu-9")
            self.refused("not_found", "there is no knowledge base `wine`", knowledge.get, "wine", "1")
            self.refused("invalid_input", "more than 1 matching", lambda: knowledge.entries("menu", at_most=1))

    def test_filters(self):
        self.assertEqual(self.found(spice={"gte": 2}), ["水煮鱼", "口水鸡"])
        self.assertEqual(self.found(kind="cold", price={"lt": 30}), ["凉拌黄瓜"])
        self.assertEqual(self.found(any=[{"spice": 3}, {"name": {"contains": "鸡"}}]), ["水煮鱼", "口水鸡"])
        self.assertEqual(self.found(**{"not": {"kind": {"in": ["cold"]}}}), ["水煮鱼"])
        self.assertEqual(self.found(tags="fresh"), ["凉拌黄瓜"])
        self.assertEqual(self.found(tags={"exists": False}), ["水煮鱼", "口水鸡"])
        with self.assertRaisesRegex(ToolError, "there is no field `heat`; the fields are kind, name"):
            self.found(heat=1)
        with self.assertRaisesRegex(ToolError, "there is no operator `above`"):
            self.found(price={"above": 1})

    def test_queries(self):
        with self.host:
            sums = knowledge.query(
                "menu",
                group_by=["kind"],
                aggregate={"dishes": {"count": "*"}, "mean": {"avg": "price"}, "most": {"max": "spice"}},
                order_by=[{"by": "dishes", "descending": True}],
            )
            self.assertEqual(sums.rows[0], {"kind": "cold", "dishes": 2, "mean": 28.0, "most": 2})
            rows = knowledge.query("menu", select=["name", "spice"], order_by=["spice"], offset=1, limit=1)
            self.assertEqual((rows.read(Dish), rows.total), ([Dish("口水鸡", 2)], 3))
            dearest = knowledge.query("menu", select=["id"], order_by=[{"by": "price", "descending": True}], limit=1)
            self.assertEqual(dearest.rows, [{"id": "menu-1"}])
            none = knowledge.query("menu", filter={"spice": 9}, aggregate={"sum": {"sum": "price"}, "n": {"count": "*"}})
            self.assertEqual(none.rows, [{"sum": None, "n": 0}])
            for wrong, words in [
                ({"select": ["heat"]}, "there is no field `heat`"),
                ({"select": ["name"], "group_by": ["kind"]}, "does not stand together"),
                ({"aggregate": {"a": {"median": "price"}}}, "no aggregate `median`"),
                ({"group_by": ["kind"], "order_by": ["price"]}, "no `price` to order by"),
                ({"limit": 0}, "`limit` is 0"),
            ]:
                with self.subTest(words), self.assertRaisesRegex(ToolError, words):
                    knowledge.query("menu", **wrong)

    def test_what_is_not_asked_for_or_not_granted_is_refused(self):
        @tool
        def count(base: str) -> int:
            """Counts."""
            return len(knowledge.entries(base))

        self.plugin(permissions=[ask.knowledge("menu", reason="Why.")])
        self.assertEqual(self.host.call("count", {"base": "menu"}), 3)
        self.host.knowledge_base("staff", [])
        self.refused("denied", "does not ask for the knowledge base `staff`", self.host.call, "count", {"base": "staff"})
        self.refused("denied", "has not granted", self.host.refuse("menu").call, "count", {"base": "menu"})


class Requests(PluginTest):
    def setUp(self):
        super().setUp()

        @tool
        def fetch(path: str, method: str = "GET") -> str:
            """Fetches."""
            settings = config.read(Settings)
            return http.request(
                method,
                settings.base + path,
                query={"q": "辣 {{secret:api_key}}", "key": settings.api_key},
                headers={"Authorization": settings.api_key.after("Bearer ")},
            ).raise_for_status().text

        self.plugin(config=Settings, permissions=[ask.http("api.example.com", reason="Why.")])
        self.host = FakeHost().secret("api_key", "s3cret&")

    def test_a_secret_goes_out_and_never_comes_in(self):
        self.host.http("GET", "https://api.example.com/", Reply.echo())
        answer = self.host.call("fetch", {"path": "/a#part"})
        sent = self.host.requests[0]
        self.assertEqual((sent.header("authorization"), sent.query("key")), ("Bearer s3cret&", "s3cret&"))
        self.assertEqual(sent.query("q"), "辣 {{secret:api_key}}")
        self.assertIn("Bearer [secret]", answer)
        self.assertNotIn("#part", sent.url)
        self.host.assert_secrets_kept()
        with self.host:
            log.info("s3cret&")
        with self.assertRaisesRegex(AssertionError, "`api_key` in: s3cret&"):
            self.host.assert_secrets_kept()

    def test_a_secret_is_no_text(self):
        secret = Secret("api_key")
        self.assertEqual(f"{[secret]} {str(secret)}", "[Secret('api_key')] Secret('api_key')")
        with self.assertRaisesRegex(TypeError, "cannot stand in a text"):
            f"Bearer {secret}"
        with self.assertRaises(TypeError):
            "Bearer " + secret
        with self.assertRaises(TypeError):
            json.dumps(secret)
        with self.host:
            self.refused("invalid_input", "has a secret's placeholder", http.get, f"https://a.example.com/{secret.placeholder}")
            wrong = {"X": secret.placeholder}
            self.refused("invalid_input", "`X` has a secret's placeholder", lambda: http.get("https://a.example.com", headers=wrong))

    def test_bad_answers_have_kinds(self):
        for status, kind in [(404, "not_found"), (403, "denied"), (503, "unavailable"), (400, "failed")]:
            host = FakeHost().secret("api_key", "x").http("GET", "https://api", Reply.text(f"no {status}", status))
            self.refused(kind, f"`https://api.example.com/a` answered {status}: no {status}", host.call, "fetch", {"path": "/a"})
        limited = Reply.empty(429).header("Retry-After", "7")
        host = FakeHost().secret("api_key", "x").http("GET", "https://api", limited)
        with self.assertRaises(ToolError) as caught:
            host.call("fetch", {"path": "/a"})
        self.assertEqual(caught.exception.retry_after, 7)
        self.refused("unavailable", "no rule of this test", self.host.call, "fetch", {"path": "/a"})
        self.refused("failed", "`api_key`: this is missing", FakeHost().call, "fetch", {"path": "/a"})

    def test_only_granted_hosts_and_methods_are_reached(self):
        everywhere = Reply.redirect("https://other.example.com/b")
        self.host.http("GET", "https://api.example.com/", everywhere)
        self.refused("denied", "`other.example.com`", self.host.call, "fetch", {"path": "/a"})
        self.refused("denied", "POST requests", self.host.call, "fetch", {"path": "/a", "method": "POST"})
        self.refused("denied", "are not granted", self.host.refuse("http: *.example.com").call, "fetch", {"path": "/a"})

    def test_a_redirect_to_another_host_takes_no_secret_along(self):
        host = FakeHost().secret("key", "s3cret")
        host.http("POST", "https://a.example.com/", Reply.redirect("//b.example.com/next"))
        host.http("GET", "https://b.example.com/", Reply.json({"name": "x", "spice": 1, "more": 2}))
        with host:
            answer = http.post("https://a.example.com/1", json={"a": "辣"}, headers={"X-Key": config.secret("key"), "Accept": "*/*"})
            self.assertEqual((answer.json(Dish), answer.url), (Dish("x", 1), "https://b.example.com/next"))
        first, second = host.requests
        self.assertEqual((first.json(), first.header("content-type")), ({"a": "辣"}, "application/json"))
        self.assertEqual((second.method, second.header("x-key"), second.header("accept")), ("GET", None, "*/*"))

    def test_bodies(self):
        host = FakeHost().http("POST", "https://a.example.com/", Reply.json([]))
        with host:
            http.post("https://a.example.com/", form={"a": "1 2", "b": "鱼"})
            http.post("https://a.example.com/", body="plain", timeout=0.5)
            with self.assertRaisesRegex(TypeError, "one of `json`, `form` and `body`"):
                http.post("https://a.example.com/", form={}, json={})
            with self.assertRaisesRegex(ValueError, "`a` is a set"):
                http.post("https://a.example.com/", json={"a": {1}})
            self.refused("failed", "the answer of `https://a.example.com/` does not fit: this is a list", lambda: http.post("https://a.example.com/").json(Dish))
        self.assertEqual([it.text for it in host.requests][:2], ["a=1+2&b=%E9%B1%BC", "plain"])


class Models(PluginTest):
    def test_answers_as_text_and_as_a_type(self):
        host = FakeHost().model("fast", "A summary.", json.dumps({"name": "鱼", "spice": 2}), "not JSON", ToolError.rate_limited(1))
        with host:
            self.assertEqual(model.complete("fast", system="Short.", user="text", max_tokens=9).text, "A summary.")
            self.assertEqual(model.complete_as(Dish, "fast", user="text"), Dish("鱼", 2))
            self.refused("failed", "the answer of the model `fake-fast` does not fit", lambda: model.complete_as(Dish, "fast", user="x"))
            self.refused("rate_limited", "wait 1 s", lambda: model.complete("fast", user="x"))
            self.refused("unavailable", "no model `deep`", lambda: model.complete("deep", user="x"))
            self.refused("invalid_input", "1 to 100 messages", lambda: model.complete("fast"))
            one, other, far = model.embed(["spicy fish", "spicy fish soup", "table"]).vectors
        self.assertGreater(model.similarity(one, other), model.similarity(one, far))
        self.assertEqual((round(model.similarity(one, one), 9), model.similarity(one, [])), (1.0, 0.0))
        asked = host.model_requests[1]
        self.assertEqual((asked.messages[0].author, asked.schema["required"]), ("user", ["name", "spice"]))

    def test_a_calls_tokens_are_counted(self):
        @tool
        def say(times: int) -> int:
            """Asks."""
            return sum(model.complete("fast", user="x" * 100).input_tokens for _ in range(times))

        self.plugin(permissions=[ask.model("fast", max_tokens=30, reason="Why.")])
        host = FakeHost().model("fast", "yes")
        self.assertEqual(host.call("say", {"times": 2}), 50)
        self.refused("failed", "has used the 30 tokens", host.call, "say", {"times": 3})
        self.refused("denied", "not granted", host.refuse("model: fast").call, "say", {"times": 1})


class Storage(PluginTest):
    def test_values_have_versions_and_times(self):
        host = FakeHost().stored("visits", "41")
        with host:
            self.assertEqual(storage.update("visits", int, lambda seen: (seen or 0) + 1), 42)
            self.assertEqual(storage.get("visits").version, 2)
            self.refused("invalid_input", "is 2, not 1", lambda: storage.set("visits", "1", expected=1))
            storage.set("token", "t", ttl_s=10)
            self.assertEqual((storage.keys().keys, storage.keys("to").keys), (["token", "visits"], ["token"]))
            self.assertEqual(storage.keys(limit=1).next_cursor, "token")
            host.now_ms(1_767_225_600_000 + 10_000)
            self.assertEqual((storage.get("token"), storage.delete("token")), (None, False))
            storage.set_json("dish", Dish("鱼", 2))
            self.assertEqual(storage.get_json("dish", Dish).value, Dish("鱼", 2))
            self.refused("failed", "the stored value `visits` does not fit", lambda: storage.get_json("visits", Dish))
            self.refused("invalid_input", "a key has 1 to 200 bytes", storage.get, "")
        self.assertEqual(host.stored_value("visits"), "42")

    def test_others_are_faster_for_a_while(self):
        host = FakeHost()

        def change(seen):
            if (seen or 0) < 3:
                storage.set("n", str((seen or 0) + 1))
            return (seen or 0) + 100

        with host:
            self.assertEqual(storage.update("n", int, change), 103)

    def test_it_has_to_be_asked_for(self):
        @tool
        def keep(text: str) -> int:
            """Keeps."""
            return storage.set("k", text)

        self.plugin()
        self.refused("denied", "does not ask for storage", FakeHost().call, "keep", {"text": ""})
        declaration.declared.permissions = [ask.storage(max_bytes=4, reason="Why.")]
        self.assertEqual(FakeHost().call("keep", {"text": "abc"}), 1)
        self.refused("failed", "may keep 4 bytes", FakeHost().call, "keep", {"text": "abcd"})
        self.refused("denied", "not granted", FakeHost().refuse("storage").call, "keep", {"text": ""})


class ConfigTest(PluginTest):
    def test_only_declared_settings_are_answered(self):
        @tool
        def read(key: str) -> Any:
            """Reads."""
            return config.get(key)

        self.plugin(config=Settings)
        host = FakeHost().config("base", "b").config("other", 1).config("api_key", "s3cret")
        self.assertEqual([host.call("read", {"key": it}) for it in ("base", "other", "api_key")], ["b", None, "{{secret:api_key}}"])
