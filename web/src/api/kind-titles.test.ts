// Names for steps, by what their `use` says.
import { describe, expect, it } from "vitest";
import { kindTitles } from "./kind-titles";

describe("kindTitles", () => {
  it("knows kinds, tools, one-tool plugins and workflows", () => {
    const titles = kindTitles(
      [{ name: "llm", title: { en: "Ask a model", zh: "询问模型" } }, { name: "bare" }],
      [
        { id: "filter", manifest: { title: "Filter", tools: [{ name: "filter", title: { zh: "筛选" } }] } },
        { id: "ads", manifest: { title: "Ads", tools: [{ name: "daily", title: "Daily" }, { name: "anomalies", title: "Odd days" }] } },
        { id: "broken", manifest: null },
      ],
      [{ name: "recommend", title: "菜品推荐" }, { name: "untitled", title: null }],
    );
    expect(titles).toEqual({
      llm: { en: "Ask a model", zh: "询问模型" }, "filter/filter": { zh: "筛选" }, filter: { zh: "筛选" }, "ads/daily": "Daily", "ads/anomalies": "Odd days", ads: "Ads",
      "workflow/recommend": "菜品推荐",
    });
  });
});
