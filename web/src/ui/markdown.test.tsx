// What markdown from a model may do to the page: show words, and nothing else.
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import i18next from "i18next";
import { renderToStaticMarkup } from "react-dom/server";
import { initReactI18next } from "react-i18next";
import { beforeAll, describe, expect, it } from "vitest";
import en from "@/i18n/en.json";
import { Markdown } from "./markdown";
import { safeLink } from "./safe-link";

beforeAll(() => i18next.use(initReactI18next).init({ lng: "en", resources: { en: { translation: en } }, interpolation: { escapeValue: false } }));

const render = (text: string, streaming = false) =>
  renderToStaticMarkup(<QueryClientProvider client={new QueryClient()}><Markdown text={text} streaming={streaming} /></QueryClientProvider>);

describe("safeLink", () => {
  it("lets out only to the web, mail and telephone", () => {
    expect(safeLink("https://example.com/a?b=1")).toBe("https://example.com/a?b=1");
    expect(safeLink("mailto:desk@example.com")).toBe("mailto:desk@example.com");
    for (const bad of ["javascript:alert(1)", " javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\nscript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "blob:https://a/b", "/api/v1/session", "//evil.example", "relative", "", undefined, "https://parlour.example@evil.example/"]) {
      expect(safeLink(bad), String(bad)).toBeNull();
    }
  });
});

describe("Markdown", () => {
  it("opens links apart and passes nothing on", () => {
    const html = render("[docs](https://example.com/) and https://example.org and [no](javascript:alert(1))");
    expect(html).toContain('<a href="https://example.com/" target="_blank" rel="noopener noreferrer nofollow"');
    expect(html).toContain('href="https://example.org/"');
    expect(html).not.toContain("javascript:");
    expect(html).toContain("<span>no</span>");
  });

  it("loads no image, whatever its address", () => {
    const html = render("![chart](https://tracker.example/p.png) ![x](data:image/png;base64,AA) ![y](/api/v1/session) ![z][ref]\n\n[ref]: https://tracker.example/q.png");
    expect(html).not.toMatch(/<img|background|srcset/);
    expect(html).toContain("Image, not loaded: chart");
  });

  it("shows no HTML of the text's own", () => {
    const html = render('<script>alert(1)</script>\n\n<img src=x onerror=alert(1)>\n\nhello <b onclick="x()">you</b>\n\n<iframe src="https://x.example"></iframe>');
    expect(html).not.toMatch(/<script|<img|<iframe|<b|onclick|onerror/);
    expect(html).toContain("hello");
  });

  it("draws tables, lists, code and tasks", () => {
    const html = render("| a | b |\n|---|--:|\n| 1 | 2 |\n\n- [x] done\n\n```js\nconst a = \"<b>\";\n```");
    expect(html).toContain("<table>");
    expect(html).toContain('type="checkbox"');
    expect(html).toContain("&lt;b&gt;");
  });

  it("does not flicker while bold words are still being written", () => {
    expect(render("推荐**麻辣黄", true)).toContain("<strong>麻辣黄</strong>");
    expect(render("推荐**", true)).not.toContain("*");
    expect(render("see [the do", true)).toContain("see the do");
    expect(render("see [docs](https://exam", true)).toContain("see docs");
  });
});
