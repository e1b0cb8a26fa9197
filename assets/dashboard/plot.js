// SPDX-License-Identifier: MIT
// One line chart over time, by Chart.js, with what a canvas lacks: a text that says what it shows, and the values as a table.
/* global Chart */
import { el, paint, text } from "./dom.js";
import { clock, fixed, known, utc } from "./format.js";

const COLOURS = 6;
const TABLE_ROWS = 40;
const EDGE = 30; // pixels: half a label of the time axis
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800, 2592000];
const plots = new Set();

function theme() {
  const style = getComputedStyle(document.documentElement);
  const value = (name) => style.getPropertyValue(name).trim();
  return {
    grid: value("--grid"), muted: value("--muted"), ink: value("--ink"), panel: value("--panel"), line: value("--line"),
    series: Array.from({ length: COLOURS }, (_, i) => value("--series-" + (i + 1))),
  };
}
let colours = null;
document.addEventListener("theme", () => {
  colours = null;
  for (const p of plots) p.restyle();
});

// Ticks on round local times.
function time_ticks(axis) {
  const span = axis.max - axis.min;
  const room = Math.max(2, Math.floor(axis.width / 84));
  const step = STEPS.find((s) => span / s <= room) || STEPS[STEPS.length - 1];
  const shift = new Date(axis.max * 1000).getTimezoneOffset() * 60;
  const ticks = [];
  // None so near the right edge that its label would push the edge inwards, to and fro as time goes on.
  const last = axis.max - (span * EDGE) / Math.max(EDGE * 2, axis.width);
  for (let t = Math.ceil((axis.min - shift) / step) * step + shift; t <= last && ticks.length < 60; t += step) ticks.push({ value: t });
  axis.ticks = ticks;
  axis.wattle_step = step;
}
function time_label(value, step) {
  const d = new Date(value * 1000);
  const pad = (n) => String(n).padStart(2, "0");
  if (step >= 86400) return pad(d.getMonth() + 1) + "-" + pad(d.getDate());
  return pad(d.getHours()) + ":" + pad(d.getMinutes()) + (step < 60 ? ":" + pad(d.getSeconds()) : "");
}

// As many decimals as the step between two ticks needs.
function value_label(value, index, ticks) {
  const step = ticks.length > 1 ? Math.abs(ticks[1].value - ticks[0].value) : 1;
  return fixed(value, Math.min(6, Math.max(0, Math.ceil(-Math.log10(step) - 1e-9))));
}

// Median of the newest distances in time.
function usual_gap(points) {
  const gaps = [];
  for (let i = Math.max(1, points.length - 60); i < points.length; i++) gaps.push(points[i].x - points[i - 1].x);
  return gaps.sort((a, b) => a - b)[gaps.length >> 1] || 0;
}

export class Plot {
  // options: {label, format(value) → text with unit, legend: bool, stepped: bool, small: bool (the table is elsewhere), timeless: bool (the
  // time axis is that of the chart below), points: bool (few values are marked), min, max, empty: what is said where there is nothing}
  constructor(options) {
    this.options = options;
    this.series = []; // {name, colour, points: [{x, y}]}
    this.from = this.to = 0;
    this.canvas = el("canvas", { role: "img", "aria-label": options.label });
    this.none = el("p", { class: "plot-none muted" }, options.empty || "No values in this time range");
    this.legend = el("ul", { class: "legend" });
    this.legend.hidden = !options.legend;
    this.table = el("div", { class: "table-scroll", tabindex: "0", role: "region", "aria-label": options.label + ", values" });
    this.more = el("details", { class: "plot-values", toggle: () => this.fill_table() }, el("summary", null, "Values as a table"), this.table);
    this.element = el("figure", { class: options.small ? "plot small" : "plot" },
      el("div", { class: "plot-canvas" }, this.canvas, this.none), this.legend, options.small ? null : this.more);
    this.chart = null;
    this.described = 0;
    plots.add(this);
  }

  destroy() {
    plots.delete(this);
    this.chart?.destroy();
    this.chart = null;
  }

  set_label(label) {
    this.options.label = label;
    this.table.setAttribute("aria-label", label + ", values");
    this.described = 0;
  }

  show(series, from, to) {
    this.series = series;
    this.from = from;
    this.to = to;
    paint(this, () => this.draw());
  }

  make() {
    colours ??= theme();
    const { stepped, format, min, max } = this.options;
    this.chart = new Chart(this.canvas, {
      type: "line",
      data: { datasets: [] },
      options: {
        animation: false, responsive: true, maintainAspectRatio: false, parsing: false, normalized: true, devicePixelRatio: Math.min(2, devicePixelRatio),
        interaction: { mode: "nearest", axis: "x", intersect: false },
        elements: { point: { radius: 0, hoverRadius: 3, hitRadius: 8 }, line: { borderWidth: 1.5, stepped: stepped ? "before" : false } },
        scales: {
          x: {
            type: "linear", afterBuildTicks: time_ticks, grid: { color: colours.grid, drawBorder: false, tickLength: 4 },
            ticks: { display: !this.options.timeless, color: colours.muted, maxRotation: 0, autoSkip: false, font: { size: 11 }, callback: function (v) { return time_label(v, this.wattle_step); } },
          },
          y: {
            min, max, grace: "8%", grid: { color: colours.grid, drawBorder: false, tickLength: 0 },
            ticks: {
              color: colours.muted, maxTicksLimit: this.options.small ? 4 : 6, padding: 6, font: { size: 11 },
              callback: stepped ? (v) => (v === 1 ? "yes" : v === 0 ? "no" : "") : value_label,
            },
          },
        },
        plugins: {
          legend: { display: false },
          tooltip: {
            backgroundColor: colours.ink, titleColor: colours.panel, bodyColor: colours.panel, padding: 8, cornerRadius: 4, boxPadding: 4, usePointStyle: true,
            callbacks: { title: (items) => (items.length ? clock(items[0].parsed.x) : ""), label: (item) => item.dataset.label + ": " + format(item.parsed.y) },
          },
        },
      },
    });
  }

  restyle() {
    this.chart?.destroy();
    this.chart = null;
    if (this.element.isConnected) paint(this, () => this.draw());
  }

  draw() {
    if (!this.element.isConnected || this.element.offsetParent === null) return; // of a view that is not shown
    if (!this.chart) this.make();
    const chart = this.chart, range = this.to - this.from;
    const drawn = this.series.filter((s) => s.points.length > 0);
    this.none.hidden = drawn.length > 0;
    this.canvas.classList.toggle("is-empty", drawn.length === 0);
    const old = new Map(chart.data.datasets.map((d) => [d.key, d]));
    chart.data.datasets = drawn.map((s) => {
      // Chart.js keeps the radius that a dataset's points were born with: with or without dots, it is another dataset.
      const dots = s.points.length === 1 || (this.options.points && s.points.length <= 80), key = s.key + (dots ? " dots" : "");
      const colour = colours.series[s.colour % COLOURS], gap = Math.max(5 * usual_gap(s.points), range / 100);
      // A device that was silent leaves a gap, and not a line through what nobody measured.
      return Object.assign(old.get(key) || { key }, {
        label: s.name, data: s.points, borderColor: colour, backgroundColor: colour, spanGaps: false,
        pointRadius: dots ? 2 : 0,
        segment: { borderColor: (c) => (c.p1.parsed.x - c.p0.parsed.x > gap ? "transparent" : undefined) },
      });
    });
    chart.options.scales.x.min = this.from;
    chart.options.scales.x.max = this.to;
    chart.update("none");
    this.draw_legend();
    if (performance.now() - this.described > 5000) {
      this.described = performance.now();
      this.describe();
      if (this.more.open && !this.table.contains(document.activeElement)) this.fill_table();
    }
  }

  draw_legend() {
    if (!this.options.legend) return;
    while (this.legend.children.length > this.series.length) this.legend.lastChild.remove();
    this.series.forEach((s, i) => {
      let item = this.legend.children[i];
      if (!item) {
        item = el("li", null, el("span", { class: "swatch", "aria-hidden": "true" }), el("span", { class: "legend-name" }), el("b", { class: "num" }));
        this.legend.append(item);
      }
      item.children[0].dataset.series = s.colour % COLOURS + 1;
      text(item.children[1], s.name);
      text(item.children[2], s.points.length ? this.options.format(s.points[s.points.length - 1].y) : "no values");
    });
  }

  describe() {
    const { label, format } = this.options;
    const parts = this.series.filter((s) => s.points.length).slice(0, COLOURS).map((s) => {
      let low = Infinity, high = -Infinity;
      for (const p of s.points) {
        if (known(p.y)) {
          low = Math.min(low, p.y);
          high = Math.max(high, p.y);
        }
      }
      return `${s.name} ${format(s.points[s.points.length - 1].y)}, between ${format(low)} and ${format(high)}`;
    });
    this.canvas.setAttribute("aria-label", `${label}, ${clock(this.from, false)} to ${clock(this.to, false)}: ` + (parts.join("; ") || "no values"));
  }

  // The newest values; of long series every nth.
  fill_table() {
    if (!this.more.open) return;
    const rows = [];
    for (const s of this.series) {
      const step = Math.max(1, Math.ceil(s.points.length / TABLE_ROWS));
      for (let i = s.points.length - 1; i >= 0; i -= step) rows.push([s.points[i].x, s.name, s.points[i].y]);
    }
    rows.sort((a, b) => b[0] - a[0]);
    this.table.replaceChildren(el("table", { class: "plain" },
      el("thead", null, el("tr", null, ...["Time", "Series", "Value"].map((h) => el("th", { scope: "col" }, h)))),
      el("tbody", null, ...rows.slice(0, TABLE_ROWS * 2).map(([x, name, y]) => el("tr", null,
        el("td", { title: utc(x) }, clock(x)), el("td", null, name), el("td", { class: "num" }, this.options.format(y)))))));
  }
}
