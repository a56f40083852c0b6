"""Helps at the end of a meal."""

from dataclasses import dataclass
from typing import Annotated

from parlour_plugin import ToolError, log, plugin, tool, zh

plugin(title="Plugin name", zh="结账时的小帮手。", icon="icon.svg")


@dataclass
class Shares:
    each: Annotated[int, "What each guest pays", zh("每人应付")]
    left_over: Annotated[int, "What cannot be split evenly", zh("分不匀的余数")]


@tool(
    title={"en": "Split a bill", "zh": "平分账单"},
    zh="把账单平分给客人，金额以最小单位（例如分）计。",
    examples=[
        {
            "title": {"en": "Three guests", "zh": "三位客人"},
            "input": {"total": 10000, "guests": 3},
            "output": {"each": 3333, "left_over": 1},
        }
    ],
)
def split_bill(
    total: Annotated[int, "What the meal cost", zh("这餐的总价")],
    guests: Annotated[int, "How many pay", zh("几个人付")],
) -> Shares:
    """Splits a bill evenly among guests. Amounts are in the smallest coin, for example cents."""
    if guests <= 0:
        raise ToolError.invalid_input(f"`guests` is {guests}; somebody has to pay")
    log.debug(f"splitting {total} among {guests}")
    return Shares(each=total // guests, left_over=total % guests)
