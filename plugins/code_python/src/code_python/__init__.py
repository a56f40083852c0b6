"""Runs Python in the plugin sandbox: no network, no files, and nothing left over from an earlier call. The node kind `code`
uses it."""

from dataclasses import dataclass
from typing import Annotated, Any

from parlour_plugin import Extra, ToolError, plugin, tool, zh
from parlour_plugin.values import NotJson, check

from . import library
from .source import Source, SourceError

library.install()

#: The call's instance ends with it, so nothing has to be taken apart, which takes time, and of a value with thousands of levels
#: more stack than there is.
kept: list[Any] = []

plugin(
    title={"en": "Run Python", "zh": "运行 Python"},
    zh="在插件沙箱里运行 Python：没有网络，没有文件，也不会留下上一次调用的任何内容。`code` 节点用的就是它。",
    icon="icon.svg",
)


@dataclass
class Answer:
    output: Annotated[Any, "What the code returned", zh("代码的返回值")]


@tool(
    title={"en": "Run Python", "zh": "运行 Python"},
    zh="运行一个函数的函数体，参数是 `inputs`（字典），返回值就是输出。print 写入日志。可以使用标准库，没有网络。",
    examples=[
        {
            "title": {"en": "Add up prices", "zh": "计算总价"},
            "input": {
                "source": "return sum(dish['price'] for dish in inputs['dishes'])",
                "inputs": {"dishes": [{"name": "辣子鸡", "price": 38}, {"name": "米饭", "price": 2}]},
            },
            "output": {"output": 40},
        }
    ],
)
def run(
    source: Annotated[
        str,
        "The body of a function that gets the dict `inputs` and ends with `return`",
        zh("函数体，可使用字典 inputs，用 return 返回结果"),
        Extra({"title": "Source · 代码", "x-widget": "code"}),
    ],
    inputs: Annotated[
        dict[str, Any],
        "What the code finds in `inputs`",
        zh("代码里 inputs 的内容"),
        Extra({"title": "Inputs · 输入"}),
    ] = {},  # noqa: B006 (each call has one of its own)
) -> Answer:
    """Runs the body of a function that is given the dict `inputs`; what it returns is the output. print goes to the log. The
    standard library is there; there is no network."""
    try:
        code = Source(source)
    except SourceError as error:
        raise ToolError.invalid_input(str(error)) from None
    output = code.run(inputs)
    kept.append(output)
    try:
        return Answer(check(output, "what the code returned"))
    except NotJson as problem:
        raise ToolError.failed(str(problem)) from None
