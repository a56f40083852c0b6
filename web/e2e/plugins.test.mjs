// The journey of an administrator with a plugin, in a real browser against a real server: bring it, see what it asks for,
// grant it, fill in its settings, try its tools, look at its calls, switch it off, remove it.
//
//   PARLOUR_URL, CHROMIUM, SHOTS  as in browser.mjs (the server must serve the restaurant project, for its menu)
//   PARLOUR_E2E_PLUGINS  the folder with echo.wasm and bad_manifest.wasm; plugins/dist/testing otherwise
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { base, here, openBrowser, setup, skip, widthOf } from "./browser.mjs";

const folder = process.env.PARLOUR_E2E_PLUGINS ?? join(here, "../../plugins/dist/testing");

let browser, page, complaints, shot;

before(async () => {
  if (skip) return;
  ({ browser, page, complaints, shot } = await openBrowser());
});

after(() => browser?.close());

const plugin = (id) => page.locator(`[data-testid="plugin"][data-plugin="${id}"]`);
const tool = (name) => page.locator(`[data-testid="tool"][data-tool="${name}"]`);
const ask = (key) => page.locator(`[data-testid="ask"][data-ask="${key}"]`);

/** Opens a tool, unless it is open, and gives its part of the page. */
async function opened(name) {
  const head = tool(name).getByRole("button").first();
  if ((await head.getAttribute("aria-expanded")) === "false") await head.click();
  return tool(name);
}

/** Presses the button and gives what came of it. */
async function called(part) {
  const answered = page.waitForResponse((response) => response.url().endsWith("/call"));
  await part.getByTestId("call-tool").click();
  const ok = (await (await answered).json()).ok;
  const result = part.locator(`[data-testid="tool-result"][data-ok="${ok}"]`);
  await result.waitFor();
  return { ok, text: await result.innerText() };
}

/** What a person does who drags a file from their desktop. */
async function drop(name) {
  const bytes = readFileSync(join(folder, name)).toString("base64");
  const transfer = await page.evaluateHandle(([text, file]) => {
    const carried = new DataTransfer();
    carried.items.add(new File([Uint8Array.from(atob(text), (one) => one.charCodeAt(0))], file, { type: "application/wasm" }));
    return carried;
  }, [bytes, name]);
  await page.dispatchEvent("main", "dragenter", { dataTransfer: transfer });
  await page.getByText("松开即可安装插件").waitFor();
  await page.dispatchEvent("main", "drop", { dataTransfer: transfer });
}

/** Asks the API as the page does: with its cookie and from its origin. */
async function api(method, path, body) {
  const response = await page.request.fetch(`${base}/api/v1${path}`, { method, headers: { Origin: base }, ...(body ? { data: body } : {}) });
  assert.ok(response.ok(), `${method} ${path}: ${response.status()} ${await response.text()}`);
}

test("the list shows what ships with the server, its drawings as images only", { skip }, async () => {
  await page.goto(setup);
  await page.waitForURL("**/c/**");
  await page.goto(`${base}/`);
  await page.getByRole("navigation").getByRole("link", { name: "插件" }).click();
  await plugin("ad_report").waitFor();
  assert.match(await plugin("ad_report").innerText(), /广告报表[\s\S]*随 Parlour 提供/);
  assert.match(await plugin("ad_report").locator("img").getAttribute("src"), /^data:image\/svg\+xml,/);
  assert.ok(await plugin("ad_report").locator("img").evaluate((image) => image.complete && image.naturalWidth > 0), "the drawing did not load");
  await shot("plugins-01-list");
});

test("a file that is no good plugin is refused in words, all of them", { skip }, async () => {
  await page.getByTestId("upload-file").setInputFiles(join(folder, "bad_manifest.wasm"));
  const notice = page.getByTestId("upload").getByTestId("error-notice");
  await notice.waitFor();
  assert.match(await notice.innerText(), /插件无法安装[\s\S]*\/version[\s\S]*script[\s\S]*解决办法/);
  await shot("plugins-02-refused");
});

test("a plugin that is dropped is installed with nothing granted, and says what it asks for and why", { skip }, async () => {
  await drop("echo.wasm");
  await page.waitForURL("**/plugins/echo");
  await page.getByRole("heading", { name: "回声", level: 1 }).waitFor();
  assert.match(await ask("knowledge: menu").innerText(), /读取知识库 menu[\s\S]*用来展示主机查到的内容/);
  assert.equal(await ask("knowledge: menu").getByRole("switch").isChecked(), false);
  await shot("plugins-03-asks");
});

test("without the grant its tool is denied; with it, it reads", { skip }, async () => {
  const part = await opened("everything_known");
  await part.getByLabel("knowledge_base").fill("menu");
  await part.getByLabel("query").fill("辣");
  const before = await called(part);
  assert.equal(before.ok, false);
  assert.match(before.text, /没有权限/);
  await shot("plugins-04-denied");
  await ask("knowledge: menu").getByRole("switch").focus();
  await page.keyboard.press("Space");
  await page.getByTestId("grants").getByText("尚未保存").waitFor();
  await page.getByRole("button", { name: "保存权限" }).click();
  await page.getByTestId("grants").getByText("已保存").waitFor();
  const after = await called(part);
  assert.equal(after.ok, true, after.text);
  assert.match(after.text, /hits/);
});

test("settings are filled in by a form from its manifest, and reach its tools", { skip }, async () => {
  const form = page.getByTestId("plugin-settings");
  await form.getByLabel("greeting").fill("欢迎光临");
  await form.getByRole("button", { name: "保存" }).click();
  await form.getByText("已保存").waitFor();
  assert.match((await called(await opened("configured"))).text, /欢迎光临/);
  await page.reload();
  await form.waitFor();
  assert.equal(await form.getByLabel("greeting").inputValue(), "欢迎光临");
});

test("an example fills the form with one click, and the answer says what it took", { skip }, async () => {
  const part = await opened("echo");
  await part.getByTestId("example").click();
  const { ok, text } = await called(part);
  assert.ok(ok, text);
  assert.match(text, /value[\s\S]*你好[\s\S]*用时[\s\S]*处理器[\s\S]*内存[\s\S]*词元/);
  await shot("plugins-05-tried");
  const failing = await opened("fails");
  await failing.getByLabel("kind").fill("not_found");
  await failing.getByLabel("message").fill("没有这道菜");
  const failed = await called(failing);
  assert.equal(failed.ok, false);
  assert.match(failed.text, /没有找到[\s\S]*没有这道菜/);
  const loud = await opened("logs");
  await loud.getByLabel("message").fill("有人吗");
  assert.match((await called(loud)).text, /日志[\s\S]*有人吗/);
});

test("every call stands in the list, with its log on opening", { skip }, async () => {
  const call = page.locator('[data-testid="plugin-call"][data-tool="logs"]').first();
  await call.waitFor();
  await call.getByRole("button").click();
  await call.getByText("有人吗").first().waitFor();
  const failed = page.locator('[data-testid="plugin-call"][data-tool="fails"]').first();
  assert.match(await failed.innerText(), /失败/);
  assert.ok((await page.getByTestId("plugin-call").count()) >= 5);
  assert.equal(await page.getByTestId("plugin-version").count(), 1);
  await call.scrollIntoViewIfNeeded();
  await shot("plugins-06-calls");
});

test("another version is installed beside the first, and one can go back", { skip }, async () => {
  await page.getByTestId("upload-file").setInputFiles({ name: "echo.wasm", mimeType: "application/wasm", buffer: laterVersion() });
  await page.locator("header").getByText("版本 1.0.9", { exact: true }).waitFor();
  assert.ok(await ask("knowledge: menu").getByRole("switch").isChecked(), "the grant was lost");
  await page.waitForFunction(() => document.querySelectorAll('[data-testid="plugin-version"]').length === 2);
  await shot("plugins-07-versions");
  await page.getByTestId("plugin-version").getByRole("button").click();
  await page.getByText("现在使用版本 1.0.0。").waitFor();
  await page.locator("header").getByText("版本 1.0.0", { exact: true }).waitFor();
});

/** The same plugin under a higher version: its own stands alone, the contract's after an `@`. */
function laterVersion() {
  const parts = readFileSync(join(folder, "echo.wasm")).toString("latin1").split(/(?<!@)1\.0\.0/);
  assert.equal(parts.length, 2, "the version of echo.wasm is not where it is looked for");
  return Buffer.from(parts.join("1.0.9"), "latin1");
}

test("what it asks for beyond what was asked when somebody last looked stands out", { skip }, async () => {
  // As if the version that was looked at had asked for nothing.
  await page.evaluate(() => {
    const [key] = Object.keys(localStorage).filter((one) => one.startsWith("parlour.plugin.") && one.endsWith(".echo"));
    localStorage.setItem(key, JSON.stringify({ version: "0.9.0", permissions: {} }));
  });
  await page.reload();
  const news = page.getByTestId("plugin-news");
  await news.waitFor();
  assert.match(await news.innerText(), /0\.9\.0[\s\S]*读取知识库 menu/);
  await shot("plugins-08-news");
  await news.getByRole("button").click();
  await page.reload();
  await ask("knowledge: menu").waitFor();
  assert.equal(await news.count(), 0);
});

test("switched off it cannot be tried, and stays off", { skip }, async () => {
  await page.getByTestId("plugin-enabled").click();
  await page.getByTestId("plugin-off").waitFor();
  assert.ok(await (await opened("echo")).getByTestId("call-tool").isDisabled());
  await page.goto(`${base}/plugins`);
  await plugin("echo").getByText("已停用").waitFor();
  await plugin("echo").click();
  await page.getByTestId("plugin-enabled").click();
  await page.getByTestId("plugin-off").waitFor({ state: "detached" });
});

test("a phone of 360 pixels shows it without sideways scrolling, in English too", { skip }, async () => {
  await page.setViewportSize({ width: 360, height: 740 });
  await page.evaluate(() => localStorage.setItem("parlour.language", "en"));
  for (const path of ["/plugins", "/plugins/echo", "/plugins/ad_report"]) {
    await page.goto(`${base}${path}`);
    await page.getByTestId("plugin").or(page.getByTestId("tool")).first().waitFor();
    const wide = await widthOf(page);
    assert.ok(wide <= 360, `${path} is ${wide} pixels wide`);
  }
  await page.goto(`${base}/plugins/echo`);
  assert.match(await ask("knowledge: menu").innerText(), /Read the knowledge base menu/);
  await shot("plugins-09-phone");
  await page.evaluate(() => localStorage.setItem("parlour.language", "zh-CN"));
  await page.setViewportSize({ width: 1280, height: 800 });
});

test("a plugin that a workflow uses is not removed, and the page names the workflow", { skip }, async () => {
  const yaml = "workflow: says_it_back\nnodes:\n  back:\n    use: echo/echo\n    with: { value: hello }\n";
  await api("PUT", "/workflows/says_it_back", { yaml });
  await page.goto(`${base}/plugins/echo`);
  await remove();
  const notice = page.getByTestId("error-notice");
  await notice.waitFor();
  assert.match(await notice.innerText(), /says_it_back/);
  await shot("plugins-10-in-use");
  await api("DELETE", "/workflows/says_it_back");
  await remove();
  await page.waitForURL(/\/plugins$/);
  await plugin("ad_report").waitFor();
  assert.equal(await plugin("echo").count(), 0);
});

async function remove() {
  await page.getByTestId("remove-plugin").click();
  await page.getByRole("dialog").getByRole("button", { name: "移除" }).click();
}

test("nothing broke the page's content policy or threw", { skip }, () => {
  assert.deepEqual(complaints, []);
});
