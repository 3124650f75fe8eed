// Looks at a running node's pages as people meet them: without JavaScript, on
// a phone and on a desk, by keyboard, in light and dark, and through axe.
//
//   node pages.mjs http://127.0.0.1:8080 [folder for screenshots]
//
// Every problem is one line on stderr; the exit code is 1 when there is one.
// The node needs some listings of its own and, better, learned ones too.
import { createRequire } from "node:module";
import { readFileSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const base = (process.argv[2] ?? "").replace(/\/$/, "");
const folder = process.argv[3] ?? "screenshots";
if (!/^https?:\/\//.test(base)) {
  console.error("usage: node pages.mjs http://127.0.0.1:8080 [folder]");
  process.exit(2);
}
const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const phone = { name: "360", width: 360, height: 800 };
const desk = { name: "1280", width: 1280, height: 900 };
const axeTags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

const problems = [];
const problem = (where, what) => { const line = `${where}: ${what}`.replace(/\s+/g, " "); problems.push(line); console.error(line); };

// The pages are found through the node's own JSON, so that any data will do.
async function findPages() {
  const pages = [
    { name: "home", path: "/" },
    { name: "search", path: "/search" },
    { name: "search-words", path: "/search?q=help" },
    { name: "search-filters", path: "/search?q=&near=&within=10&kind=&category=&mode=online&from=2020-01-01&to=&free=1" },
    { name: "search-empty", path: "/search?q=zzyzx&near=&kind=event" },
    { name: "search-error", path: "/search?q=tablet&within=lots&from=tomorrow", status: 400 },
    { name: "about", path: "/about" },
    { name: "sign-in", path: "/sign-in" },
    { name: "not-found", path: "/no/such/page", status: 404 },
  ];
  const json = async (path) => {
    const answer = await fetch(base + path, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(`${path} answers ${answer.status} as JSON`);
    return answer.json();
  };
  const here = new URL(base).host;
  const ours = (hit) => `/listings/${hit.uid}` + (hit.node === here ? "" : `?cid=${hit.community.cid}`);
  for (const kind of ["event", "offer", "need", "volunteer", "venue", "resource"]) {
    const [hit] = (await json(`/search?kind=${kind}&per_page=1`)).results;
    if (hit) pages.push({ name: `listing-${kind}`, path: ours(hit) });
    else problem("search", `there is no ${kind} to look at; add a listing of that kind`);
  }
  const { communities } = await json("/api/v1/communities");
  const hosted = communities.find((c) => c.hosted);
  const learned = communities.find((c) => !c.hosted);
  if (hosted) pages.push({ name: "community", path: `/c/${hosted.handle}` });
  if (learned) {
    pages.push({ name: "community-learned", path: `/c/${learned.cid}` });
    const [hit] = (await json(`/search?community=${learned.cid}&per_page=1`)).results;
    if (hit) pages.push({ name: "listing-learned", path: ours(hit) });
  }
  return pages;
}

function executable() {
  const known = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
  const found = known.find((path) => path && existsSync(path));
  if (!found) {
    console.error("No Chromium was found. Run ./setup.sh, or set CHROMIUM to its path.");
    process.exit(2);
  }
  return found;
}

// open visits a page and notes every request that leaves the node.
async function open(context, { name, path, status = 200 }) {
  const page = await context.newPage();
  page.on("request", (r) => {
    if (!r.url().startsWith("data:") && new URL(r.url()).origin !== new URL(base).origin) problem(name, `asks another host: ${r.url()}`);
  });
  page.on("console", (m) => { if (m.type() === "error" && !/status of 4\d\d/.test(m.text())) problem(name, `the browser complains: ${m.text()}`); });
  const answer = await page.goto(base + path, { waitUntil: "load" });
  if (answer.status() !== status) problem(name, `answers ${answer.status()}, not ${status}`);
  return page;
}

// Without JavaScript, as it looks.
async function look(browser, pages, size) {
  const context = await browser.newContext({ viewport: size, javaScriptEnabled: false, locale: "en-GB" });
  for (const p of pages) {
    const page = await open(context, p);
    await page.screenshot({ path: join(folder, `${p.name}-${size.name}.png`), fullPage: true });
    await page.close();
  }
  const cookies = await context.cookies();
  if (cookies.length) problem("cookies", `a visitor got ${cookies.map((c) => c.name).join(", ")}`);
  await context.close();
}

// With axe, which is a script and so is put in from outside.
async function inspect(browser, pages, size, colorScheme) {
  const context = await browser.newContext({ viewport: size, colorScheme, locale: "en-GB", reducedMotion: "reduce" });
  for (const p of pages) {
    const page = await open(context, p);
    if (colorScheme === "dark" && size === phone) await page.screenshot({ path: join(folder, `${p.name}-dark.png`) });
    await page.evaluate(axeSource);
    const { violations } = await page.evaluate((tags) => axe.run(document, { runOnly: tags, resultTypes: ["violations"] }), axeTags);
    for (const v of violations) {
      problem(`${p.name} at ${size.name}, ${colorScheme}`, `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 120)).join(" | ")}`);
    }
    await page.close();
  }
  await context.close();
}

// On the narrowest phones, and when text is twice as large, nothing scrolls
// sideways; what is to be tapped is large enough.
async function measure(browser, pages) {
  for (const [label, width, scale] of [["320 px", 320, 1], ["text twice as large", 640, 2]]) {
    const context = await browser.newContext({ viewport: { width, height: 640 }, locale: "en-GB" });
    for (const p of pages) {
      const page = await open(context, p);
      const found = await page.evaluate((scale) => {
        if (scale !== 1) document.documentElement.style.fontSize = `${16 * scale}px`;
        for (const d of document.querySelectorAll("details")) d.open = true;
        const out = document.documentElement.scrollWidth - document.documentElement.clientWidth;
        const wide = out > 0 ? [...document.querySelectorAll("main *")].filter((e) => e.getBoundingClientRect().right > innerWidth && !e.closest(".scroll")).slice(0, 3).map((e) => e.outerHTML.slice(0, 90)) : [];
        const targets = "button, input:not([type=hidden]):not([type=checkbox]), select, summary, .chip, .menu a, .foot-links a, .facet a, .pages a, .check";
        const small = [...document.querySelectorAll(targets)].filter((e) => { const b = e.getBoundingClientRect(); return b.width > 0 && b.height < 43.5; }).slice(0, 3).map((e) => `${Math.round(e.getBoundingClientRect().height)} px: ${e.outerHTML.slice(0, 90)}`);
        return { out, wide, small };
      }, scale);
      if (found.out > 0) problem(`${p.name} at ${label}`, `is ${found.out} px too wide: ${found.wide.join(" | ")}`);
      for (const s of found.small) problem(`${p.name} at ${label}`, `is too small to tap, ${s}`);
      await page.close();
    }
    await context.close();
  }
}

// Only by keyboard: skip link, then down to the search box and its button,
// always seeing where one is.
async function keyboard(browser) {
  const context = await browser.newContext({ viewport: desk, locale: "en-GB" });
  const page = await open(context, { name: "keyboard", path: "/search" });
  const focused = () => page.evaluate(() => {
    const e = document.activeElement, s = getComputedStyle(e), b = e.getBoundingClientRect();
    return { tag: e.tagName.toLowerCase(), id: e.id, text: (e.innerText ?? "").slice(0, 40), type: e.type ?? "",
      outline: s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2, onScreen: b.width > 0 && b.height > 0 && b.left >= 0 };
  });
  const order = [];
  for (let i = 0; i < 25; i++) {
    await page.keyboard.press("Tab");
    const f = await focused();
    order.push(f.id || `${f.tag} ${f.text}`.trim());
    if (!f.onScreen) problem("keyboard", `${order.at(-1)} has the focus but is off the screen`);
    if (!f.outline && !f.text.startsWith("Skip")) problem("keyboard", `${order.at(-1)} does not show that it has the focus`);
    if (f.type === "submit") break;
  }
  if (!order[0]?.includes("Skip")) problem("keyboard", `the first stop is ${order[0]}, not the skip link`);
  const wanted = ["q", "near", "within", "button Search"];
  if (order.filter((o) => wanted.includes(o)).join() !== wanted.join()) problem("keyboard", `the order is ${order.join(", ")}`);
  await page.focus("#q");
  await page.keyboard.type("tablet");
  await Promise.all([page.waitForURL(/q=tablet/), page.keyboard.press("Enter")]);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  if ((await focused()).id !== "main" && !page.url().endsWith("#main")) problem("keyboard", "the skip link does not lead to the content");
  await context.close();
}

mkdirSync(folder, { recursive: true });
const browser = await chromium.launch({
  executablePath: executable(),
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
});
try {
  const pages = await findPages();
  for (const size of [phone, desk]) await look(browser, pages, size);
  await inspect(browser, pages, phone, "light");
  await inspect(browser, pages, desk, "light");
  await inspect(browser, pages, phone, "dark");
  await measure(browser, pages);
  await keyboard(browser);
  console.log(`${pages.length} pages looked at, ${problems.length} problems; screenshots are in ${folder}`);
} finally {
  await browser.close();
}
process.exit(problems.length ? 1 : 0);
