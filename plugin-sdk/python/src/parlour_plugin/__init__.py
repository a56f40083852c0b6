"""Tools for Parlour as plain Python functions, built into one WebAssembly file.

    \"\"\"Helps to choose a wine.\"\"\"

    from parlour_plugin import ToolError, plugin, tool

    plugin(title={"en": "Wine list", "zh": "酒单"}, zh="帮客人选酒。")

    @tool(zh="把几瓶酒的价格加起来。")
    def total(prices: list[float]) -> float:
        \"\"\"Adds up the prices of some bottles.\"\"\"
        return sum(prices)

`README.md` goes from nothing to an installed tool in ten minutes.
"""

from . import ask, config, http, knowledge, log, model, storage, system
from .declaration import plugin, tool
from .errors import ToolError
from .schema import Extra
from .secret import Secret
from .text import zh

__all__ = [
    "Extra",
    "Secret",
    "ToolError",
    "ask",
    "config",
    "http",
    "knowledge",
    "log",
    "model",
    "plugin",
    "storage",
    "system",
    "tool",
    "zh",
]
