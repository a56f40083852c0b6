"""A host in memory, so that a plugin's tools run in plain `python -m unittest`.

    host = FakeHost().knowledge_base("menu", [{"name": "水煮鱼", "spice_level": 3}])
    answer = host.call("find", {"query": "鱼"})

It answers as the server does: the same filters, the same kinds of error, the same refusal of what the manifest does not ask
for, and the same check of inputs and outputs by their schemas. Only its search is simple: it counts shared words and pairs of
Chinese characters. Requests are answered by rules, models by what the test has written for them; secrets are placeholders to
the plugin, as on the server.
"""

from .host import FakeHost
from .web import Reply, Sent

__all__ = ["FakeHost", "Reply", "Sent"]
