// What every journey needs: a real Chromium with one page that speaks Chinese, and a list of what broke in it unseen.
//
//   PARLOUR_URL  the set-up link that the server printed; it works once, so each journey needs a server of its own
//   CHROMIUM     the browser's executable; /usr/bin/chromium otherwise
//   SHOTS        the folder for screenshots; e2e/shots otherwise
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

export const here = dirname(fileURLToPath(import.meta.url));
export const setup = process.env.PARLOUR_URL;
export const base = setup ? new URL(setup).origin : "";
export const skip = setup ? false : "PARLOUR_URL is not set";
const shots = process.env.SHOTS ?? join(here, "shots");
/** How long an answer of the real server may take on a busy machine, in milliseconds. */
const PATIENCE = 60_000;

export async function openBrowser() {
  mkdirSync(shots, { recursive: true });
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"],
  });
  const context = await browser.newContext({ locale: "zh-CN", viewport: { width: 1280, height: 800 }, reducedMotion: "reduce" });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  // A content policy that the page breaks, or an exception nobody caught, is a failure even when everything looks right.
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error" && /Content Security Policy|Uncaught/.test(message.text())) complaints.push(message.text());
  });
  const shot = (name) => page.screenshot({ path: join(shots, `${name}.png`) });
  return { browser, context, page, complaints, shot };
}

/** How wide the page is; more than the window means that it scrolls sideways. */
export const widthOf = (page) => page.evaluate(() => document.documentElement.scrollWidth);
