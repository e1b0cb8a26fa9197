// SPDX-License-Identifier: MIT
// Light or dark. Not a module: it runs before the first paint, so that the page never flashes in the other colours.
(() => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const KEY = "wattle-theme";
  let choice = "system";
  try {
    choice = localStorage.getItem(KEY) || "system";
  } catch { /* storage may be forbidden: then the choice lasts as long as the page */ }
  if (!["system", "light", "dark"].includes(choice)) choice = "system";

  function apply() {
    document.documentElement.dataset.theme = choice === "system" ? (system.matches ? "dark" : "light") : choice;
    document.dispatchEvent(new CustomEvent("theme"));
  }
  system.addEventListener("change", apply);
  apply();

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const label = () => { button.textContent = "Theme: " + choice; };
    label();
    button.addEventListener("click", () => {
      const order = ["system", "light", "dark"];
      choice = order[(order.indexOf(choice) + 1) % order.length];
      try {
        localStorage.setItem(KEY, choice);
      } catch { /* as above */ }
      label();
      apply();
    });
  });
})();
