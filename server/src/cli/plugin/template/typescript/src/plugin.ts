// The plugin `plugin_name`. `parlour plugin test` runs its tests, and its examples in the sandbox.

import { about, log, plugin, tool, ToolError, Type } from "parlour-plugin";

import icon from "../icon.svg";

const splitBill = tool({
  title: { en: "Split a bill", zh: "平分账单" },
  description: {
    en: "Splits a bill evenly among guests. Amounts are in the smallest coin, for example cents.",
    zh: "把账单平分给客人，金额以最小单位（例如分）计。",
  },
  input: Type.Object({
    total: Type.Integer({ minimum: 0, ...about("What the meal cost", "这餐的总价") }),
    guests: Type.Integer({ minimum: 0, ...about("How many pay", "几个人付") }),
  }),
  output: Type.Object({
    each: Type.Integer(about("What each guest pays", "每人应付")),
    left_over: Type.Integer(about("What cannot be split evenly", "分不匀的余数")),
  }),
  examples: [
    {
      title: { en: "Three guests", zh: "三位客人" },
      input: { total: 10000, guests: 3 },
      output: { each: 3333, left_over: 1 },
    },
  ],
  run({ total, guests }) {
    if (guests === 0) {
      throw new ToolError("invalid_input", "`guests` is 0; somebody has to pay");
    }
    log.debug(`splitting ${total} among ${guests}`);
    return { each: Math.floor(total / guests), left_over: total % guests };
  },
});

export default plugin({
  id: "plugin_name",
  title: { en: "Plugin name", zh: "Plugin name" },
  description: { en: "Helps at the end of a meal.", zh: "结账时的小帮手。" },
  icon,
  tools: { split_bill: splitBill },
});
