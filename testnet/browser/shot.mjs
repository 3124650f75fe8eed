// Takes one picture of a page as it stands in the window.
//
//   node shot.mjs URL FILE WIDTH HEIGHT
import { chromium } from "playwright-core";
import { existsSync } from "node:fs";

const [url, file, width, height] = process.argv.slice(2);
const executablePath = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser"].find((p) => p && existsSync(p));
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
const page = await browser.newPage({ viewport: { width: Number(width), height: Number(height) }, javaScriptEnabled: false });
await page.goto(url);
await page.screenshot({ path: file });
await browser.close();
