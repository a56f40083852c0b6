// Texts and dishes that the stand-in's knowledge is made of.
export interface Field { type: string; embed: boolean; filter: boolean; show: boolean; title?: string }

export interface Chunk {
  ordinal: number; text: string; answer: string | null; fields: Record<string, unknown>;
  position: { page?: number; headings?: string[]; part?: string; row?: number; overlap?: number }; tokens: number; enabled: boolean; edited: boolean;
}

export function field(type: string, title?: string): Field {
  return { type, embed: type === "text" || type === "keyword", filter: type !== "text", show: true, ...(title ? { title } : {}) };
}

export function paragraph(number: number): string {
  return `第${number}条 退货与换货。顾客在收到商品之日起七天内可以申请退货，运费由商家承担；商品如有质量问题，可在三十天内换货。For international orders the return window is fourteen days 🌶️ and customers pay the postage. 定制商品、生鲜与已拆封的软件不适用本条规定，详见第${number + 3}条。`;
}

export const dishTable = [
  { dish: "麻辣黄焖鸡", description: "招牌黄焖鸡配干辣椒与花椒，汤汁浓郁", price: 32, spice_level: 3, vegetarian: false },
  { dish: "菌菇炖鸡汤", description: "老母鸡和三种菌菇慢炖四小时", price: 36, spice_level: 0, vegetarian: false },
  { dish: "清炒时蔬", description: "当季蔬菜，清淡少油", price: 18, spice_level: 0, vegetarian: true },
  { dish: "水煮牛肉", description: "嫩牛肉片浸在红油里，麻而不苦", price: 48, spice_level: 3, vegetarian: false },
];
