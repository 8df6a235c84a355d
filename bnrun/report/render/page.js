// The page is complete without this script. It adds: hiding contestants and settings, arranging
// the curves, sorting and filtering tables, values under the pointer, copying, renewing.
"use strict";
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const make = (name, content = {}) => Object.assign(document.createElement(name), content);

// What the reader chose. It is kept with the page's entry in the history, so that it survives
// a reload.
const state = Object.assign(
  { hidden: [], facets: {}, arrange: "", filters: {}, sorts: {}, scroll: 0 }, history.state);

// --- Hiding: one style sheet, made from what is chosen.

const hiding = document.head.appendChild(make("style"));

function hide() {
  const rules = state.hidden.map((number) => `[data-c~="${number}"]`);
  for (const [facet, word] of Object.entries(state.facets))
    if (word) rules.push(`[data-f*="${facet}-"]:not([data-f~="${word}"])`);
  hiding.textContent = rules.length ? `${rules.join()} { display:none !important }` : "";
  const names = all("[data-toggle]").filter((b) => state.hidden.includes(b.dataset.toggle));
  for (const chip of all("[data-toggle]")) chip.ariaPressed = !names.includes(chip);
  const only = all("[data-facet]").filter((select) => select.value)
    .map((s) => `${s.parentNode.firstChild.textContent.trim()}=${s.selectedOptions[0].text}`);
  const parts = [];
  if (names.length) parts.push(`Hidden: ${names.map((b) => b.textContent).join(", ")}.`);
  if (only.length) parts.push(`Shown: only ${only.join(", ")}.`);
  const note = document.querySelector(".hiding");
  note.hidden = !parts.length;
  note.textContent = `${parts.join(" ")} Intervals and p remain those over all pairs.`;
}

for (const chip of all("[data-toggle]"))
  chip.onclick = () => {
    const number = chip.dataset.toggle;
    state.hidden = state.hidden.includes(number)
      ? state.hidden.filter((other) => other !== number) : [...state.hidden, number];
    hide();
  };
for (const select of all("[data-facet]")) {
  select.value = state.facets[select.dataset.facet] ?? "";
  select.onchange = () => { state.facets[select.dataset.facet] = select.value; hide(); };
}

// --- Curves by setting, by figure, or by the values of one setting.

const curves = document.querySelector("#curves");
const bySetting = [...curves.childNodes];
const figures = all("figure", curves);
const homes = figures.map((figure) => figure.parentNode);
for (const figure of figures)
  figure.querySelector("figcaption").prepend(make("span", { textContent: figure.dataset.setting }));

function arrange() {
  figures.forEach((figure, number) => homes[number].append(figure));
  curves.replaceChildren(...bySetting);
  for (const figure of figures) figure.querySelector("figcaption span").hidden = !state.arrange;
  if (!state.arrange) return;
  const groups = new Map();
  for (const figure of figures) {
    let name = figure.querySelector("figcaption").lastChild.textContent;
    if (state.arrange !== "title") {
      const facet = figure.dataset.f.split(" ").find((w) => w.startsWith(`${state.arrange}-`));
      name = document.querySelector(`option[value="${facet}"]`).text;
    }
    groups.set(name, [...(groups.get(name) ?? []), figure]);
  }
  curves.replaceChildren(...[...groups].flatMap(([name, members]) => {
    const group = make("div", { className: "figures" });
    group.append(...members);
    return [make("h3", { textContent: name }), group];
  }));
}

for (const select of all("[data-arrange]")) {
  select.value = state.arrange;
  select.onchange = () => { state.arrange = select.value; arrange(); };
}

// --- Tables: a click on a title sorts, what is typed above filters.

const number = (text) => parseFloat(text.replace(/^[<>'] ?/, ""));

function compare(one, other) {
  const [a, b] = [number(one), number(other)];
  return isNaN(a) || isNaN(b) ? one.localeCompare(other) : a - b;
}

function sort(table, column, up) {
  const text = (row) => row.cells[column].textContent.trim();
  const known = (row) => text(row) !== "" && text(row) !== "–";
  const rows = all("tr", table.tBodies[0]);
  // Rows without a value come last in both directions.
  rows.sort((a, b) => known(b) - known(a) || (up ? 1 : -1) * compare(text(a), text(b)));
  table.tBodies[0].append(...rows);
  all("thead th", table).forEach((th, n) => {
    if (n === column) th.ariaSort = up ? "ascending" : "descending";
    else th.removeAttribute("aria-sort");
  });
}

function filter(table, words) {
  for (const row of table.tBodies[0].rows)
    row.hidden = !words.toLowerCase().split(/\s+/).every(
      (word) => row.textContent.toLowerCase().includes(word));
}

all("table.sortable").forEach((table, place) => {
  all("thead th", table).forEach((th, column) => {
    const button = make("button", { textContent: th.textContent, title: "sort" });
    th.replaceChildren(button);
    button.onclick = () => {
      // Words start with the first letter, numbers with the largest.
      const before = th.ariaSort;
      const up = before ? before === "descending" : !th.classList.contains("number");
      state.sorts[place] = [column, up];
      sort(table, column, up);
    };
  });
  if (state.sorts[place]) sort(table, ...state.sorts[place]);
  if (!table.matches(".filtered") || table.tBodies[0].rows.length < 4) return;
  const box = make("input", {
    type: "search", placeholder: "filter rows", value: state.filters[place] ?? "" });
  box.ariaLabel = "filter rows";
  box.oninput = () => { state.filters[place] = box.value; filter(table, box.value); };
  table.parentNode.before(box);
  filter(table, box.value);
});

// --- Values under the pointer: from places in a plot back to numbers.

const tip = document.body.appendChild(make("div", { className: "tip", hidden: true }));

function value(axis, share) {
  const [low, high, log] = axis.split(" ");
  const [a, b] = [Number(low), Number(high)];
  return log ? a * (b / a) ** share : a + (b - a) * share;
}

function digits(axis, number) {
  const [low, high, log] = axis.split(" ");
  if (log || Math.abs(number) >= 1e5) return number.toPrecision(3);
  const places = Math.max(0, Math.min(9, 2 - Math.floor(Math.log10(high - low))));
  return number.toFixed(places);
}

function points(path) {
  let [x, y] = [0, 0];
  const steps = path.getAttribute("d").match(/-?\d+ -?\d+/g) ?? [];
  return steps.map((step) => {
    const [dx, dy] = step.split(" ").map(Number);
    return [(x += dx), (y += dy)];
  });
}

function under(plot, x) {
  const { x: xs, y: ys } = plot.dataset;
  const lines = all("g[data-c]", plot).filter((g) => getComputedStyle(g).display !== "none");
  let at = null;
  const rows = lines.flatMap((g) => {
    const line = g.querySelector("path.line");
    const circle = g.querySelector("circle");
    const label = g.querySelector("title").textContent;
    if (circle) {
      const circles = all("circle", g).map((c) => [c.cx.baseVal.value, c.cy.baseVal.value]);
      const near = nearest(circles, x);
      return [[label, digits(xs, value(xs, circles[near][0] / 4000)),
        digits(ys, value(ys, 1 - circles[near][1] / 2500))]];
    }
    const places = points(line);
    const near = nearest(places, x);
    at ??= places[near][0];
    const height = (y) => value(ys, 1 - y / 2500);
    let text = digits(ys, height(places[near][1]));
    const band = g.querySelector("path.band");
    if (band) {
      // The high ends come first, then the low ones, backwards.
      const edge = points(band);
      const ends = [edge[edge.length - 1 - near], edge[near]].map(([, y]) => height(y));
      text += ` [${ends.map((end) => digits(ys, end)).join(", ")}]`;
    }
    return [[label, null, text]];
  });
  const head = at === null ? [] : [`at ${digits(xs, value(xs, at / 4000))}`];
  const texts = rows.map(([label, place, text]) =>
    `${label}: ${text}${place === null ? "" : ` at ${place}`}`);
  return { at, text: [...head, ...texts].join("\n") };
}

function nearest(places, x) {
  let best = 0;
  places.forEach(([at], n) => { if (Math.abs(at - x) < Math.abs(places[best][0] - x)) best = n; });
  return best;
}

for (const plot of all(".plot")) {
  const svg = plot.ownerSVGElement;
  const ruler = document.createElementNS(svg.namespaceURI, "path");
  ruler.setAttribute("class", "ruler");
  plot.append(ruler);
  // A finger presses without moving.
  svg.onpointerdown = svg.onpointermove = (event) => {
    // 460 by 300 units, of which the plot begins at 52.
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) * 460 / box.width - 52) * 10;
    const { at, text } = under(plot, x);
    ruler.setAttribute("d", at === null ? "" : `M${at} 0V2500`);
    tip.textContent = text;
    tip.hidden = !text;
    const left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
    const top = Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8);
    Object.assign(tip.style, { left: `${Math.max(4, left)}px`, top: `${Math.max(4, top)}px` });
  };
  svg.onpointerleave = () => { tip.hidden = true; ruler.setAttribute("d", ""); };
}
// The browser's own tips would cover these.
for (const title of all(".plot title")) title.parentNode.setAttribute("aria-label", title.textContent);

// --- Copying a command; where that is not allowed, it stands there to be selected.

for (const button of all(".copy")) {
  button.hidden = false;
  button.onclick = async () => {
    const command = make("code", { textContent: button.dataset.copy });
    button.replaceWith(command);
    getSelection().selectAllChildren(command);
    try { await navigator.clipboard.writeText(button.dataset.copy); command.append(" (copied)"); }
    catch { /* It is selected. */ }
  };
}

// --- Renewing, while bnrun-report --watch runs.

document.querySelector(".controls").hidden = !document.querySelector(".controls > *");
hide();
arrange();
const seconds = Number(document.body.dataset.renew ?? 0);
if (seconds) {
  history.scrollRestoration = "manual";
  scrollTo(0, state.scroll);
  setInterval(() => {
    // Not while someone types.
    if (document.activeElement.matches("input, select")) return;
    state.scroll = scrollY;
    history.replaceState(state, "");
    location.reload();
  }, 1000 * seconds);
}
