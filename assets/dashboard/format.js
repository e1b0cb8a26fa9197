// SPDX-License-Identifier: MIT
// Numbers with their units, times, and the names of what is measured. An unknown value is "–", never 0.

export const NONE = "–";
const groups = new Map();
function grouped(digits) {
  if (!groups.has(digits)) groups.set(digits, new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }));
  return groups.get(digits);
}
export const known = (v) => typeof v === "number" && Number.isFinite(v);
export const fixed = (v, digits) => (known(v) ? grouped(digits).format(v) : NONE);
export const count = (v) => fixed(v, 0);
const unit = (v, digits, name) => (known(v) ? fixed(v, digits) + "\u00a0" + name : NONE);

export const duration_ms = (v) => (known(v) && v >= 10000 ? unit(v / 1000, 1, "s") : unit(v, known(v) && v < 100 ? 1 : 0, "ms"));
export const megabytes = (v) => unit(v, known(v) && v < 100 ? 1 : 0, "MB");
export const percent = (v) => unit(v, 1, "%");
export const watts = (v) => unit(v, 1, "W");
export const per_second = (v) => unit(v, 1, "/s");
export function joules(v) {
  if (!known(v)) return NONE;
  if (v >= 1e5) return unit(v / 1000, 1, "kJ");
  return v !== 0 && v < 0.1 ? unit(v * 1000, 1, "mJ") : unit(v, v < 10 ? 2 : v < 1000 ? 1 : 0, "J");
}

// What a device reads, in the order of the page: [field, name, unit, digits]. The gases are the dataset's ppm-like ratios.
export const READINGS = [
  ["temp", "Temperature", "°C", 1],
  ["humidity", "Humidity", "%", 1],
  ["co", "CO", "ppm", 4],
  ["lpg", "LPG", "ppm", 4],
  ["smoke", "Smoke", "ppm", 4],
  ["light", "Light", "", 0],
  ["motion", "Motion", "", 0],
];
const by_field = new Map(READINGS.map((r) => [r[0], r]));
export function reading(field, value) {
  if (typeof value === "boolean") return value ? "yes" : "no";
  return fixed(value, by_field.get(field)[3]);
}
export function reading_with_unit(field, value) {
  const u = by_field.get(field)[2];
  const v = reading(field, value);
  return v === NONE || u === "" ? v : v + "\u00a0" + u;
}

// Seconds since 1970 of what the server calls a time: a number of seconds, or ISO 8601.
export function seconds(v) {
  if (known(v)) return v;
  const ms = typeof v === "string" && v !== "" ? Date.parse(v) : NaN;
  return Number.isNaN(ms) ? null : ms / 1000;
}
const pad = (n) => String(n).padStart(2, "0");
// Local time of day; with the date where it is another day.
export function clock(s, with_seconds = true) {
  if (!known(s)) return NONE;
  const d = new Date(s * 1000);
  const day = d.toDateString() === new Date().toDateString() ? "" : `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())} `;
  return day + pad(d.getHours()) + ":" + pad(d.getMinutes()) + (with_seconds ? ":" + pad(d.getSeconds()) : "");
}
export const utc = (s) => (known(s) ? new Date(s * 1000).toISOString().replace(/\.\d+Z$/, "Z").replace("T", " ").replace("Z", " UTC") : "");
export function age(s) {
  if (!known(s)) return NONE;
  if (s < 1) return "now";
  if (s < 90) return Math.floor(s) + "\u00a0s ago";
  if (s < 5400) return Math.floor(s / 60) + "\u00a0min ago";
  if (s < 172800) return Math.floor(s / 3600) + "\u00a0h ago";
  return Math.floor(s / 86400) + "\u00a0d ago";
}

export const ENERGY_SOURCE = {
  rapl: "measured (RAPL)", hwmon: "measured (hwmon)", nvml: "measured (NVML)", estimate: "estimated", mixed: "partly estimated",
};
