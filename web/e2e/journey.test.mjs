// The journey of someone who has just started Parlour, in a real browser against a real server: set up, ask, look how
// it was answered, change language and theme, use a phone, stop an answer.
//
//   PARLOUR_URL, CHROMIUM, SHOTS  as in browser.mjs (the server must serve the restaurant project)
//   PARLOUR_E2E_ASSISTANT, PARLOUR_E2E_MENU  another assistant than `huangmenji`, another folder with its menu as CSV
//   PARLOUR_E2E_MODEL_PORT  when the server was started with PARLOUR_MODEL_BASE_URL=http://127.0.0.1:PORT/v1, that port:
//                  the slow model is started there, and stopping and reloading mid-answer are tried. Without it the
//                  server must have no model, and the page must say so.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { base, here, openBrowser, setup, skip, widthOf } from "./browser.mjs";
import { startSlowModel } from "./slow-model.mjs";

const modelPort = Number(process.env.PARLOUR_E2E_MODEL_PORT ?? 0);

let browser, context, page, model, complaints, shot;

before(async () => {
  if (skip) return;
  if (modelPort) model = await startSlowModel(modelPort);
  ({ browser, context, page, complaints, shot } = await openBrowser());
});

after(async () => {
  await browser?.close();
  model?.closeAllConnections();
  model?.close();
});

const answers = () => page.getByTestId("message-assistant");

async function ask(text) {
  const before = await answers().count();
  await page.getByTestId("composer").fill(text);
  await page.keyboard.press("Enter");
  await page.waitForFunction((count) => document.querySelectorAll('[data-testid="message-assistant"]').length > count, before);
  return answers().nth(before);
}

async function settled(answer) {
  await answer.and(page.locator(':not([data-status="streaming"])')).waitFor();
  return { status: await answer.getAttribute("data-status"), text: await answer.innerText() };
}

/** The names on the restaurant's menu, from the project's own table. */
function menu() {
  const folder = process.env.PARLOUR_E2E_MENU ?? join(here, "../../workflows/restaurant/knowledge");
  const tables = readdirSync(folder, { recursive: true }).filter((name) => String(name).endsWith(".csv"));
  const names = tables.flatMap((table) => {
    const [head, ...rows] = readFileSync(join(folder, String(table)), "utf8").replace(/^\uFEFF/, "").trim().split(/\r?\n/).map((line) => line.split(","));
    const at = head.findIndex((column) => column === "name" || column === "菜名" || column === "名称");
    return at < 0 ? [] : rows.map((row) => row[at]);
  });
  return new Set(names.filter((name) => name && name.length >= 2));
}

async function expectDishes(text) {
  const named = [...menu()].filter((dish) => text.includes(dish));
  assert.ok(named.length >= 1, `the answer names no dish of the menu: ${text}`);
  return named;
}

test("the set-up link leads straight to a conversation, and works once", { skip }, async () => {
  await page.goto(setup);
  await page.waitForURL("**/c/**");
  await page.getByTestId("composer").waitFor();
  assert.ok(await page.getByTestId("set-password").isVisible());
  await shot("01-welcome");
  const stranger = await browser.newContext({ locale: "en-US" });
  const second = await stranger.newPage();
  await second.goto(setup);
  await second.getByRole("alert").getByRole("link", { name: "Sign in" }).waitFor();
  await second.goto(`${base}/runs`);
  await second.waitForURL("**/signin**");
  await stranger.close();
});

test("asked for spicy dishes, it streams dishes of the menu", { skip }, async () => {
  await page.goto(`${base}/c/${process.env.PARLOUR_E2E_ASSISTANT ?? "huangmenji"}`);
  await page.getByTestId("composer").waitFor();
  const spicy = await settled(await ask("喜欢辣味的菜品"));
  assert.equal(spicy.status, "complete", spicy.text);
  await shot("02-spicy");
  const hot = await expectDishes(spicy.text);
  assert.match(page.url(), /\/c\/[^/]+\/[^/]+$/);
  const mild = await settled(await ask("有没有不辣的"));
  assert.equal(mild.status, "complete", mild.text);
  await shot("03-mild");
  const cool = await expectDishes(mild.text);
  assert.notDeepEqual(hot, cool, "the second answer took the same way");
});

test("the conversation is there after a reload, and in the list", { skip }, async () => {
  await page.reload();
  await page.waitForFunction(() => document.querySelectorAll('[data-testid="message-assistant"]').length === 2);
  assert.equal(await page.getByTestId("message-user").count(), 2);
  await page.getByTestId("conversation").first().waitFor();
});

test("the run page shows each step with what went in and came out", { skip }, async () => {
  const chat = page.url();
  await page.getByTestId("how").last().click();
  await page.waitForURL("**/runs/**");
  await page.locator('[data-testid="run-status"][data-status="finished"]').waitFor();
  const steps = page.getByTestId("run-graph").getByRole("button");
  assert.ok((await steps.count()) >= 2, "the drawing has too few steps");
  assert.ok((await page.locator('[data-testid="run-graph"] [data-state="done"]').count()) >= 2);
  await page.locator('[data-testid="run-graph"] [data-state="done"]').first().click();
  await page.getByTestId("timeline").getByRole("group").first().waitFor();
  await shot("04-run");
  await page.goto(`${base}/runs`);
  assert.ok((await page.getByTestId("run-row").count().then(async (count) => count || (await page.getByTestId("run-row").first().waitFor(), page.getByTestId("run-row").count()))) >= 2);
  await shot("05-runs");
  await page.goto(chat);
});

test("language and theme are switched and remembered", { skip }, async () => {
  await page.getByTestId("person-menu").first().click();
  await page.getByRole("menuitemradio", { name: "English" }).click();
  await page.getByRole("link", { name: "New conversation" }).first().waitFor();
  await page.getByTestId("person-menu").first().click();
  await page.getByRole("menuitemradio", { name: "Dark" }).click();
  assert.equal(await page.locator("html").getAttribute("data-theme"), "dark");
  await page.reload();
  await page.getByRole("link", { name: "New conversation" }).first().waitFor();
  assert.deepEqual(await page.evaluate(() => [document.documentElement.dataset.theme, document.documentElement.lang]), ["dark", "en"]);
  await shot("06-dark-english");
  await page.getByTestId("person-menu").first().click();
  await page.getByRole("menuitemradio", { name: "简体中文" }).click();
  await page.getByRole("link", { name: "新对话" }).first().waitFor();
});

test("a phone of 360 pixels shows everything without sideways scrolling", { skip }, async () => {
  await page.setViewportSize({ width: 360, height: 740 });
  const here = page.url();
  for (const path of [here, `${base}/`, `${base}/runs`, `${base}/workflows`, `${base}/plugins`, `${base}/help`, `${base}/account`]) {
    await page.goto(path);
    await page.locator("main").getByRole("heading").or(page.getByTestId("composer")).first().waitFor();
    const wide = await widthOf(page);
    assert.ok(wide <= 360, `${path} is ${wide} pixels wide`);
  }
  await page.goto(here);
  await page.getByTestId("open-drawer").click();
  await page.getByRole("dialog").getByTestId("conversation").first().waitFor();
  await shot("07-phone-drawer");
  await page.keyboard.press("Escape");
  await shot("08-phone");
  await page.setViewportSize({ width: 1280, height: 800 });
});

test("Enter that confirms a word of an input method does not send", { skip }, async () => {
  const box = page.getByTestId("composer");
  await box.fill("几点");
  const questions = await page.getByTestId("message-user").count();
  await box.dispatchEvent("compositionstart");
  await box.dispatchEvent("keydown", { key: "Enter", code: "Enter", keyCode: 229, isComposing: true, bubbles: true, cancelable: true });
  await box.dispatchEvent("compositionend");
  await box.dispatchEvent("keydown", { key: "Enter", code: "Enter", keyCode: 229, isComposing: false, bubbles: true, cancelable: true });
  assert.equal(await box.inputValue(), "几点");
  const input = await context.newCDPSession(page);
  await box.fill("");
  await box.focus();
  await input.send("Input.imeSetComposition", { text: "ji dian", selectionStart: 7, selectionEnd: 7 });
  await page.keyboard.press("Enter");
  await input.send("Input.insertText", { text: "几点" });
  assert.match(await box.inputValue(), /几点/);
  assert.equal(await page.getByTestId("message-user").count(), questions);
  await box.fill("");
});

test("without a model the page says plainly that none is set up", { skip: skip || (modelPort ? "a model is set up" : false) }, async () => {
  const answer = await ask("你们几点关门");
  const { status, text } = await settled(answer);
  assert.equal(status, "failed", text);
  assert.match(text, /还没有设置语言模型/);
  assert.match(text, /PARLOUR_MODEL_BASE_URL/);
  await shot("09-no-model");
  await page.goto(`${base}/`);
  await page.getByTestId("no-model").waitFor();
  await shot("10-home");
});

test("an answer goes on over a reload, and stop keeps what was said", { skip: skip || (modelPort ? false : "no slow model: PARLOUR_E2E_MODEL_PORT is not set") }, async () => {
  const answer = await ask("你们几点关门");
  await answer.getByTestId("answer-text").waitFor();
  await page.reload();
  const again = answers().last();
  await again.and(page.locator('[data-status="streaming"]')).getByTestId("answer-text").waitFor();
  const early = (await again.getByTestId("answer-text").innerText()).length;
  await page.waitForFunction((length) => [...document.querySelectorAll('[data-testid="answer-text"]')].at(-1).innerText.length > length, early);
  await page.getByTestId("stop").click();
  const { status, text } = await settled(again);
  assert.equal(status, "cancelled", text);
  assert.match(text, /慢慢说0/);
  assert.doesNotMatch(text, /慢慢说99/);
  await shot("11-stopped");
  await page.reload();
  await answers().last().and(page.locator('[data-status="cancelled"]')).getByText("慢慢说0").waitFor();
});

test("nothing broke the page's content policy or threw", { skip }, () => {
  assert.deepEqual(complaints, []);
});
