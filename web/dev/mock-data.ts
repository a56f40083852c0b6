// What the in-memory stand-in knows: two assistants, a few dishes, and scripted runs in both languages.
export const assistants = [
  {
    name: "huangmenji", title: "老街黄焖鸡 · 点餐助手", description: "按口味推荐菜品，回答营业时间、地址、订座和外卖的问题",
    opening: "您好，欢迎来到**老街黄焖鸡**！想吃辣的还是清淡的？告诉我，我来帮您挑。\n\nWelcome! Tell me what you feel like eating, in Chinese or English.",
    suggestions: ["喜欢辣味的菜品", "有没有不辣的", "你们几点关门", "What do you have that is not spicy?"], version: 3, updated_at: Date.now() - 3600_000,
  },
  {
    name: "ad_desk", title: "Ad desk", description: "Knows yesterday's spend, sixty days of campaigns, and what stands out in them.",
    opening: "Good to see you. Which numbers shall we look at?", suggestions: ["What did we spend yesterday?", "Anything unusual this week?", "Show me everything markdown can do"],
    version: 1, updated_at: Date.now() - 7200_000,
  },
];

const dishes = [
  { name: "麻辣黄焖鸡", price: 32, spice_level: 3, category: "热菜", description: "招牌黄焖鸡配干辣椒与花椒，汤汁浓郁", allergens: ["花生"] },
  { name: "水煮牛肉", price: 48, spice_level: 3, category: "热菜", description: "嫩牛肉片浸在红油里，麻而不苦", allergens: [] },
  { name: "剁椒鱼头", price: 68, spice_level: 2, category: "热菜", description: "湖南剁椒铺满鱼头，鲜辣开胃", allergens: ["鱼"] },
  { name: "夫妻肺片", price: 26, spice_level: 2, category: "凉菜", description: "薄切牛杂拌红油", allergens: ["芝麻"] },
];
const mild = [
  { name: "菌菇炖鸡汤", price: 36, spice_level: 0, category: "汤", description: "老母鸡和三种菌菇慢炖四小时", allergens: [] },
  { name: "清蒸鲈鱼", price: 58, spice_level: 0, category: "热菜", description: "只放葱姜与蒸鱼豉油", allergens: ["鱼", "大豆"] },
  { name: "蒜蓉西兰花", price: 18, spice_level: 0, category: "素菜", description: "清爽，不放辣椒", allergens: [] },
];

export interface Graph {
  nodes: { id: string; kind: string; title?: string | { en: string; zh: string }; parent?: string; ports?: string[]; dependencies?: (string | { node: string; port: string })[] }[];
}

/** What a step asks, and what follows from the answer. */
export interface Question {
  kind: "ask" | "approve" | "timer";
  title?: string | { en: string; zh: string };
  question?: string;
  options?: { name: string; title: string }[];
  fields?: unknown;
  who?: string;
  due_ms?: number;
  then: (answer: Record<string, unknown>) => { port: string; steps: Step[] };
}

export const graph: Graph = {
  nodes: [
    { id: "intent", kind: "classify_intent", title: "识别意图", ports: ["recommend", "hours", "other"], dependencies: [] },
    { id: "taste", kind: "classify_intent", title: "判断口味", ports: ["spicy", "mild", "other"], dependencies: ["intent.recommend"] },
    { id: "menu", kind: "query_knowledge_base", title: { en: "Search the menu", zh: "检索菜单" }, ports: ["done"], dependencies: [{ node: "intent", port: "recommend" }] },
    { id: "spicy", kind: "filter_spicy_dishes", title: { en: "Keep spicy dishes", zh: "挑选辣味菜" }, ports: ["done"], dependencies: ["menu", "taste.spicy"] },
    { id: "mild", kind: "filter_spicy_dishes", title: { en: "Keep mild dishes", zh: "挑选清淡菜" }, ports: ["done"], dependencies: ["menu", "taste.mild"] },
    { id: "prompt", kind: "llm", title: "按店铺资料回答", ports: ["done"], dependencies: ["intent.other"] },
    { id: "reply", kind: "answer", title: "reply", ports: ["done"], dependencies: ["spicy", "mild", "prompt"] },
  ],
};

export interface Step {
  node?: string;
  ms: number;
  port?: string;
  input?: unknown;
  output?: unknown;
  skip?: string[];
  logs?: { level: string; message: string }[];
  fail?: { code: string; message: string; hint?: string };
  say?: string;
  ask?: Question | undefined;
  /** Of a container, which begins long before it ends. */
  phase?: "start" | "finish";
  handled?: boolean;
  kept?: boolean;
  saved?: { input_tokens: number; output_tokens: number };
}

function dishText(list: typeof dishes, opening: string, closing: string): string {
  return `${opening}\n\n${list.map((dish) => `- **${dish.name}**（${dish.price} 元）：${dish.description}${dish.allergens.length ? `，含${dish.allergens.join("、")}` : ""}`).join("\n")}\n\n${closing}`;
}

export const SHOWCASE = `Here is **everything in one answer**, so that you can see how it is set.

## A table

| Campaign | Spend | CTR | ROI |
|---|---:|---:|---:|
| autumn_sale | 12,480.50 | 3.42 % | 2.81 |
| brand_search | 4,210.00 | 8.90 % | 4.02 |
| new_users | 9,873.20 | 1.27 % | **0.74** |

## A list with code

1. Read the day's rows with \`ad_report/daily\`.
2. Compare with the last fourteen days:

   - median and spread
   - anything beyond \`3.5\`

3. Say it in words.

\`\`\`yaml
workflow: daily_report
inputs:
  period: { type: string, default: yesterday }
nodes:
  report:
    use: ad_report/daily
    with: { period: "{{ inputs.period }}" }
\`\`\`

> Numbers without a comparison are only numbers.

More in [the documentation](https://example.com/docs), but not [this](javascript:alert(1)), and no image is fetched: ![chart](https://example.com/chart.png)
`;

export function script(message: string, model: string): Step[] {
  const classify = (port: string, confidence: number): Step => ({
    node: "intent", ms: 420, port, input: { text: message, intents: ["recommend", "hours"] }, output: { intent: port, confidence, method: "embedding", candidates: [{ intent: port, score: confidence }, { intent: "other", score: 0.21 }] },
  });
  if (/markdown|unusual|everything/i.test(message)) return [{ ...classify("other", 0.31), skip: ["taste", "menu", "spicy", "mild"] }, { node: "prompt", ms: 500, output: { text: "…" } }, { node: "reply", ms: 3000, say: SHOWCASE.repeat(/everything/i.test(message) ? 2 : 1) }];
  if (!/辣|菜|推荐|spicy|eat/.test(message) && (model === "none" || model === "offer")) {
    return [{ ...classify("other", 0.28), skip: ["taste", "menu", "spicy", "mild"] }, { node: "prompt", ms: 250, input: { model: "default" }, fail: { code: "model_not_configured", message: "This step needs a language model, and none is set up.", hint: "Set `PARLOUR_MODEL_BASE_URL`, `PARLOUR_MODEL_API_KEY` and `PARLOUR_MODEL_NAME`, then start the server again." } }];
  }
  if (model === "slow" && /关门/.test(message)) {
    return [{ ...classify("other", 0.28), skip: ["taste", "menu", "spicy", "mild"] }, { node: "prompt", ms: 100, output: { text: "…" } }, { node: "reply", ms: 9000, say: Array.from({ length: 100 }, (_, word) => `慢慢说${word} `).join("") }];
  }
  if (!/辣|菜|推荐|spicy|eat/.test(message)) {
    return [{ ...classify("other", 0.33), skip: ["taste", "menu", "spicy", "mild"] }, { node: "prompt", ms: 900, input: { model: "default", messages: [{ role: "user", content: message }] }, output: { text: "我们每天 10:30 开门，22:00 关门。", usage: { input_tokens: 214, output_tokens: 31 } } },
      { node: "reply", ms: 600, say: "我们每天 **10:30** 开门，**22:00** 关门，最后点单时间是 21:30。" }];
  }
  const wantsMild = /不辣|不要辣|清淡|mild/.test(message);
  const kept = wantsMild ? mild : dishes;
  const [way, other] = wantsMild ? ["mild", "spicy"] : ["spicy", "mild"];
  return [
    { ...classify("recommend", 0.87), skip: ["prompt"] },
    { node: "taste", ms: 380, port: way, input: { text: message }, output: { intent: way, confidence: 0.91, method: "embedding" }, skip: [other ?? ""] },
    { node: "menu", ms: 640, input: { knowledge_base: "menu", query: message, top_k: 8 }, output: { status: "ok", hits: [...dishes, ...mild].map((dish, index) => ({ id: `dish-${index}`, document: "menu.csv", score: 0.82 - index * 0.04, ...dish })) }, logs: [{ level: "info", message: `searching knowledge base \`menu\` for “${message}”` }, { level: "info", message: "7 hits in 3.1 ms" }] },
    { node: way, ms: 260, input: { dishes: `[${dishes.length + mild.length}]` }, output: { dishes: kept.map((dish) => ({ ...dish, spice: { level: dish.spice_level, source: "field", reason: { en: "the menu's own level", zh: "菜单标注" } } })), dropped: [] }, logs: [{ level: "info", message: `${kept.length} kept` }] },
    { node: "reply", ms: 1800, say: wantsMild ? dishText(mild, "当然有，这几道完全不辣：", "带老人孩子来的话，鸡汤最受欢迎。") : dishText(dishes, "喜欢辣味的话，菜单上这几道最合适：", "第一次来的话，推荐先试试**麻辣黄焖鸡**，是我们的招牌。") },
  ];
}

export const workflows = [
  {
    name: "recommend_dishes", title: "菜品推荐", description: "按顾客的口味从菜单里推荐菜品", outputs: ["dishes"],
    inputs: { type: "object", required: ["question"], properties: { question: { type: "string", title: "顾客的话", description: "例如：想吃点辣的" }, top_k: { type: "integer", default: 8, minimum: 1, maximum: 50 }, vegetarian: { type: "boolean", title: "只要素菜" } } },
  },
  {
    name: "daily_report", title: "Daily ad report", description: "Spend, clicks, conversions and ROI by campaign", outputs: ["report", "text"],
    inputs: { type: "object", properties: { period: { enum: ["yesterday", "today", "last_7_days", "last_30_days"], default: "yesterday" }, from: { type: "string", format: "date" }, filter: { type: "object", description: "Only rows that match, as a filter" } } },
  },
  {
    name: "price_orders", title: "逐单计价", description: "Prices every order of a list, line by line", outputs: ["orders"],
    inputs: { type: "object", properties: { count: { type: "integer", title: "How many orders · 订单数", default: 12, minimum: 1, maximum: 2000 } } },
  },
  {
    name: "refund", title: "退款审批", description: "Asks an operator before money goes back", outputs: ["text"],
    inputs: { type: "object", required: ["order"], properties: { order: { type: "string", default: "A-1042" }, amount: { type: "number", default: 68 } } },
  },
  { name: "book_table", title: "订座", description: "Asks for the room, then for the details", outputs: ["text"], inputs: { type: "object", properties: {} } },
  { name: "greeting_later", title: "Greeting, later", description: "Waits a while first", outputs: ["text"], inputs: { type: "object", properties: {} } },
];
