// Runs what `code` nodes are given. Every call has an instance of its own, so whatever the code does to it ends with the call.

import { plugin, tool, Type } from "parlour-plugin";

import icon from "../icon.svg";
import { perform } from "./source.ts";

const run = tool({
  title: { en: "Run JavaScript", zh: "运行 JavaScript" },
  description: {
    en: "Runs the body of an async function that is given `inputs`; what it returns is the output. console.log goes to the log. There is no network and there are no timers.",
    zh: "运行一个异步函数的函数体，参数是 `inputs`，返回值就是输出。console.log 写入日志。没有网络，也没有定时器。",
  },
  input: Type.Object({
    source: Type.String({
      title: "Source · 代码",
      description:
        "The body of a function that gets `inputs`; it may use `await` and ends with `return` · 函数体，可使用 inputs 和 await，用 return 返回结果",
      "x-widget": "code",
    }),
    inputs: Type.Optional(
      Type.Unsafe<Record<string, unknown>>({
        title: "Inputs · 输入",
        description: "What the code finds in `inputs` · 代码里 inputs 的内容",
        type: "object",
      }),
    ),
  }),
  output: Type.Object(
    { output: Type.Unknown({ description: "What the code returned · 代码的返回值" }) },
    { additionalProperties: false },
  ),
  examples: [
    {
      title: { en: "Add up prices", zh: "计算总价" },
      input: {
        source: "return inputs.dishes.reduce((sum, dish) => sum + dish.price, 0);",
        inputs: {
          dishes: [
            { name: "辣子鸡", price: 38 },
            { name: "米饭", price: 2 },
          ],
        },
      },
      output: { output: 40 },
    },
  ],
  async run({ source, inputs = {} }) {
    return { output: await perform(source, inputs) };
  },
});

export default plugin({
  id: "code_javascript",
  title: { en: "Run JavaScript", zh: "运行 JavaScript" },
  description: {
    en: "Runs JavaScript in the plugin sandbox: no network, no files, and nothing left over from an earlier call. The node kind `code` uses it.",
    zh: "在插件沙箱里运行 JavaScript：没有网络，没有文件，也不会留下上一次调用的任何内容。`code` 节点用的就是它。",
  },
  icon,
  tools: { run },
});
