// Workflows of the stand-in that ask, wait, and work through lists.
import type { Graph, Step } from "./mock-data.ts";

export const bookingGraph: Graph = {
  nodes: [
    { id: "greet", kind: "answer", title: { en: "Greet", zh: "问候" } },
    { id: "room", kind: "ask", title: { en: "Which room", zh: "选择位置" }, ports: ["window", "private", "hall", "done"], dependencies: ["greet"] },
    { id: "details", kind: "ask", title: { en: "Details of the booking", zh: "订座信息" }, dependencies: ["room"] },
    { id: "confirm", kind: "answer", title: { en: "Confirm", zh: "确认" }, dependencies: ["details"] },
  ],
};

const details = {
  type: "object", required: ["people", "day"],
  properties: {
    people: { type: "integer", title: "人数 · People", minimum: 1, maximum: 12 }, day: { type: "string", format: "date", title: "日期 · Day" },
    smoking: { type: "boolean", title: "吸烟区 · Smoking area" }, note: { type: ["string", "null"], title: "备注 · Note" },
  },
};

export function bookingScript(): Step[] {
  return [
    { node: "greet", ms: 200, say: "好的，我来帮您订座。" },
    {
      node: "room", ms: 200,
      ask: {
        kind: "ask", title: { en: "Which room", zh: "选择位置" }, question: "您想坐哪里？\nWhere would you like to sit?",
        options: [{ name: "window", title: "靠窗" }, { name: "private", title: "包间（最低消费 300 元）" }, { name: "hall", title: "大厅 / Main hall, near the kitchen" }],
        then: (answer) => ({
          port: String(answer["option"] ?? "done"),
          steps: [{
            node: "details", ms: 300,
            ask: {
              kind: "ask", title: { en: "Details of the booking", zh: "订座信息" }, question: "请告诉我**人数**和**日期**。", fields: details, due_ms: 7_200_000,
              then: () => ({ port: "done", steps: [{ node: "confirm", ms: 400, say: "订好了，期待您的光临！" }] }),
            },
          }],
        }),
      },
    },
  ];
}

export const refundGraph: Graph = {
  nodes: [
    { id: "lookup", kind: "http", title: { en: "Look the order up", zh: "查询订单" } },
    { id: "summary", kind: "llm", title: { en: "Sum it up", zh: "归纳情况" }, dependencies: ["lookup"] },
    { id: "check", kind: "approve", title: { en: "Refund", zh: "退款审批" }, ports: ["approved", "rejected", "timeout"], dependencies: ["summary"] },
    { id: "pay", kind: "http", title: { en: "Pay back", zh: "退款" }, dependencies: ["check.approved"] },
    { id: "sorry", kind: "answer", title: { en: "Say no", zh: "婉拒" }, dependencies: ["check.rejected"] },
    { id: "done", kind: "answer", title: { en: "Say yes", zh: "通知" }, dependencies: ["pay"] },
  ],
};

export function refundScript(inputs: Record<string, unknown>): Step[] {
  return [
    { node: "lookup", ms: 300, output: { status: 200, body: { order: inputs["order"], paid: inputs["amount"] } } },
    { node: "summary", ms: 20, output: { text: "顾客说菜洒了，照片清楚。" }, saved: { input_tokens: 1240, output_tokens: 86 } },
    {
      node: "check", ms: 100,
      ask: {
        kind: "approve", title: `退款 ${String(inputs["amount"])} 元？`, question: `订单 **${String(inputs["order"])}**，顾客说外卖洒了一半，附有照片。\n\n- 金额：${String(inputs["amount"])} 元\n- 此前退款：0 次`,
        who: "operator", due_ms: 48 * 3_600_000,
        then: (answer) => (answer["approved"] === true
          ? { port: "approved", steps: [{ node: "pay", ms: 600, output: { status: 200 }, skip: ["sorry"] }, { node: "done", ms: 100, say: "退款已经在路上，一到三天到账。" }] }
          : { port: "rejected", steps: [{ node: "sorry", ms: 300, say: "抱歉，这次不能退款。", skip: ["pay", "done"] }] }),
      },
    },
  ];
}

const laterGraph: Graph = {
  nodes: [{ id: "pause", kind: "wait", title: { en: "Wait", zh: "等待" } }, { id: "hello", kind: "answer", title: { en: "Say hello", zh: "问好" }, dependencies: ["pause"] }],
};

const ordersGraph: Graph = {
  nodes: [
    { id: "load", kind: "http", title: { en: "Load the orders", zh: "读取订单" } },
    { id: "orders", kind: "each", title: { en: "Every order", zh: "每张订单" }, dependencies: ["load"] },
    { id: "size", kind: "branch", parent: "orders", title: { en: "Large or small", zh: "大单小单" }, ports: ["large", "small"] },
    { id: "price", kind: "template", parent: "orders", title: { en: "Price it", zh: "计价" }, dependencies: ["size.small"] },
    { id: "lines", kind: "each", parent: "orders", title: { en: "Every line", zh: "每个明细" }, dependencies: ["size.large"] },
    { id: "tax", kind: "set", parent: "lines", title: { en: "Tax", zh: "计税" } },
    { id: "round", kind: "set", parent: "lines", title: { en: "Round", zh: "取整" }, dependencies: ["tax"] },
    { id: "report", kind: "answer", title: { en: "Report", zh: "汇报" }, dependencies: ["orders"] },
  ],
};

const DISHES = ["麻辣黄焖鸡", "水煮牛肉", "清蒸鲈鱼", "蒜蓉西兰花", "菌菇炖鸡汤"];

function ordersScript(inputs: Record<string, unknown>): Step[] {
  const count = Number(inputs["count"] ?? 12);
  const pace = count > 100 ? 0 : 60;
  const items = Array.from({ length: count }, (_, at) => ({ id: `A-${1000 + at}`, name: `${DISHES[at % DISHES.length]} × ${(at % 4) + 1}`, large: at % 7 === 3 }));
  const steps = items.flatMap((item, at): Step[] => {
    const path = `orders[${at}]`;
    const size: Step = { node: `${path}.size`, ms: pace, port: item.large ? "large" : "small", input: { item }, output: { port: item.large ? "large" : "small" } };
    if (!item.large) {
      const fail = at % 11 === 5 ? { fail: { code: "invalid_input", message: `Order ${item.id} has no price.`, hint: "Give every dish a price." }, handled: true } : {};
      return [size, { node: `${path}.price`, ms: pace, input: { item }, output: { text: `${(at % 5) * 12 + 18} 元` }, ...fail }];
    }
    const lines = [0, 1, 2].flatMap((line): Step[] => [
      { node: `${path}.lines[${line}].tax`, ms: pace, input: { line }, output: { tax: 1.2 } },
      { node: `${path}.lines[${line}].round`, ms: pace, output: { total: 21 } },
    ]);
    return [size, { node: `${path}.lines`, ms: 0, phase: "start", input: { items: ["主菜", "配菜", "饮料"] } }, ...lines, { node: `${path}.lines`, ms: 0, phase: "finish", output: { count: 3 } }];
  });
  return [
    { node: "load", ms: 300, output: { status: 200, count } },
    { node: "orders", ms: 0, phase: "start", input: { items, concurrency: 4, on_item_error: "skip" } },
    ...steps,
    { node: "orders", ms: 0, phase: "finish", output: { count } },
    { node: "report", ms: 200, say: `${count} 张订单已计价。` },
  ];
}

export const flows: Record<string, { graph: Graph; steps: (inputs: Record<string, unknown>) => Step[] }> = {
  book_table: { graph: bookingGraph, steps: bookingScript },
  refund: { graph: refundGraph, steps: refundScript },
  price_orders: { graph: ordersGraph, steps: ordersScript },
  greeting_later: {
    graph: laterGraph,
    steps: () => [{ node: "pause", ms: 0, ask: { kind: "timer", due_ms: 120_000, then: () => ({ port: "done", steps: [{ node: "hello", ms: 100, say: "您好！" }] }) } }],
  },
};
