// SPDX-License-Identifier: MIT
// Elements and painting. Everything that came from a device or a model goes into the page through here, as text: no function
// takes markup.

export const $ = (id) => document.getElementById(id);

// el("td", {class: "num", title: t}, "text", child, …): attributes by name, functions as listeners, null ones left out.
export function el(tag, attributes, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") e.addEventListener(name, value);
    else e.setAttribute(name, value === true ? "" : value);
  }
  e.append(...children.filter((c) => c !== null && c !== undefined));
  return e;
}

// Writes only what changed: a thousand cells that stay as they are cost no layout.
export function text(e, value) {
  if (e.firstChild === null) {
    if (value !== "") e.textContent = value;
  } else if (e.textContent !== value) {
    e.textContent = value;
  }
}

export function attribute(e, name, value) {
  if (value === null) {
    if (e.hasAttribute(name)) e.removeAttribute(name);
  } else if (e.getAttribute(name) !== value) {
    e.setAttribute(name, value);
  }
}

// paint(key, f) runs f once in the next frame, however often it is asked for. Nothing is painted while the tab is hidden: what
// came meanwhile is in the store, and the browser asks for a frame when the tab is seen again.
const due = new Map();
export function paint(key, f) {
  if (due.size === 0) requestAnimationFrame(flush);
  due.set(key, f);
}
function flush() {
  const now = [...due.values()];
  due.clear();
  for (const f of now) f();
}

// A row of radio buttons that looks like one control; the arrow keys move in it, as in any radio group.
export function choices(fieldset, options, chosen, changed) {
  for (const [value, label, spoken] of options) {
    const input = el("input", { type: "radio", name: fieldset.id, value, checked: value === chosen, "aria-label": spoken || null });
    input.addEventListener("change", () => changed(value));
    fieldset.append(el("label", null, input, el("span", null, label)));
  }
}

export function remember(key, value) {
  try {
    localStorage.setItem("wattle-" + key, value);
  } catch { /* storage may be forbidden */ }
}
export function remembered(key, allowed, otherwise) {
  try {
    const value = localStorage.getItem("wattle-" + key);
    return allowed.includes(value) ? value : otherwise;
  } catch {
    return otherwise;
  }
}
