// <figure data-chart="lines | steps"> with a <table>: draws the table's numbers with uPlot above it. The first column is
// the time (<time datetime>), each further one a series; a cell may carry the number as data-value. Colours are those of
// tokens.css. uPlot is loaded when a chart comes into sight; without it the table is still there.
const drawn = new Map();

/** @param {string} name of a CSS variable @param {Element} near */
function colour(name, near) {
  const probe = document.createElement("span");
  probe.style.setProperty("color", `var(${name})`);
  near.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

/** @param {HTMLTableElement} table */
function read(table) {
  const names = [...table.querySelectorAll("thead th")].slice(1).map((cell) => cell.textContent.trim());
  const columns = Array.from({ length: names.length + 1 }, () => []);
  for (const row of table.tBodies[0].rows) {
    const time = row.cells[0].querySelector("time");
    columns[0].push(time === null ? Number(row.cells[0].textContent) : Date.parse(time.dateTime) / 1_000);
    for (let at = 1; at < columns.length; at += 1) {
      const cell = row.cells[at];
      const text = cell.dataset.value ?? cell.textContent.trim();
      columns[at].push(text === "" ? null : Number(text));
    }
  }
  return { names, columns };
}

const TIME = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const DAY_LENGTH = 86_400; // seconds

/** @param {unknown} _ @param {number[]} splits seconds since 1970 */
function times(_, splits) {
  const isLong = splits.length > 1 && splits[1] - splits[0] >= DAY_LENGTH / 2;
  return splits.map((at) => (isLong ? DAY : TIME).format(at * 1_000));
}

/** The ground line is zero: a cut axis makes little look like much. */
function range(_, low, high) {
  return [Math.min(0, low ?? 0), Math.max(high ?? 1, 1) * 1.08];
}

/** @param {HTMLElement} figure */
async function draw(figure) {
  const table = figure.querySelector("table:not(.u-legend)"); // uPlot's legend is a table too
  if (table === null) return;
  const { default: UPlot } = await import("./uplot.js");
  let canvas = figure.querySelector(".chart-canvas");
  if (canvas === null) {
    canvas = document.createElement("div");
    canvas.className = "chart-canvas";
    canvas.setAttribute("aria-hidden", "true");
    figure.prepend(canvas);
  }
  drawn.get(figure)?.destroy();
  const { names, columns } = read(table);
  const axis = { stroke: colour("--ink-faint", figure), grid: { stroke: colour("--line", figure), width: 1 } };
  const font = `11px ${getComputedStyle(figure).fontFamily}`;
  const paths = figure.dataset.chart === "steps" ? UPlot.paths.stepped({ align: 1 }) : undefined;
  const series = names.map((label, at) => ({ label, stroke: colour(`--chart-${(at % 4) + 1}`, figure), width: 2, paths }));
  const size = { width: canvas.clientWidth || figure.clientWidth, height: Number(figure.dataset.height ?? 200) };
  const axes = [{ ...axis, font, values: times }, { ...axis, font, size: 52 }];
  const shape = { ...size, axes, series: [{}, ...series], scales: { y: { range } }, legend: { live: false } };
  drawn.set(figure, new UPlot(shape, columns, canvas));
}

const sight = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    sight.unobserve(target);
    void draw(target);
  }
});
const room = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const chart = drawn.get(target);
    if (chart && target.clientWidth !== chart.width) chart.setSize({ width: target.clientWidth, height: chart.height });
  }
});

function find() {
  for (const figure of drawn.keys()) if (!figure.isConnected) drawn.delete(figure);
  for (const figure of document.querySelectorAll("[data-chart]")) {
    if (figure.querySelector(".chart-canvas > *") !== null) continue;
    sight.observe(figure);
    room.observe(figure);
  }
}

find();
document.addEventListener("sluice:swapped", find);
const redraw = () => drawn.forEach((_, figure) => void draw(figure));
document.addEventListener("sluice:theme", redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
