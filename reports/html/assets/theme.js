"use strict";

// Runs before the first paint, so that a chosen theme does not flash. "system" leaves it to the browser.
const THEMES = ["system", "light", "dark"];

function storedTheme() {
  try {
    return localStorage.getItem("fesbench-theme") ?? "system";
  } catch {
    return "system";
  }
}

function applyTheme(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

applyTheme(storedTheme());

document.addEventListener("DOMContentLoaded", () => {
  const button = document.getElementById("theme");
  let theme = storedTheme();
  const label = () => { button.textContent = `Theme: ${theme}`; };
  button.hidden = false;
  label();
  button.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    applyTheme(theme);
    label();
    try {
      localStorage.setItem("fesbench-theme", theme);
    } catch { /* a browser may forbid storage: the choice then lasts as long as the page */ }
  });
});
