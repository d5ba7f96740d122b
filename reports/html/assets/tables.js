"use strict";

// Sorting, filtering and choosing among the views of a table.
(() => {
  const sortKey = (row, index) => row.children[index].dataset.sort ?? row.children[index].textContent.trim();

  /** Compare two keys as numbers where both are, else as text; empty ones come last in either direction. */
  function compare(a, b, sign) {
    if (a === "" || b === "") return (a === "") - (b === "");
    const [x, y] = [Number(a), Number(b)];
    if (!Number.isNaN(x) && !Number.isNaN(y)) return sign * (x - y);
    return sign * a.localeCompare(b);
  }

  function sort(button) {
    const head = button.closest("th");
    const table = head.closest("table");
    const before = head.getAttribute("aria-sort");
    const turned = { ascending: "descending", descending: "ascending" };
    const order = turned[before] ?? button.dataset.first;
    table.querySelectorAll("thead th").forEach((other) => other.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    for (const body of table.tBodies) {
      const rows = [...body.rows].filter((row) => !row.classList.contains("block"));
      rows.sort((a, b) => compare(sortKey(a, head.cellIndex), sortKey(b, head.cellIndex), sign));
      body.append(...rows);
    }
  }

  function filter(section, text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    let visible = 0;
    let all = 0;
    for (const view of section.querySelectorAll(".view")) {
      for (const row of view.querySelectorAll("tbody tr:not(.block)")) {
        const content = row.querySelector("th").textContent.toLowerCase();
        row.hidden = !words.every((word) => content.includes(word));
        if (!view.hidden) {
          all += 1;
          visible += row.hidden ? 0 : 1;
        }
      }
      for (const body of view.querySelectorAll("tbody")) {
        body.hidden = [...body.querySelectorAll("tr:not(.block)")].every((row) => row.hidden);
      }
    }
    section.querySelector(".count").textContent = words.length ? `${visible} of ${all} models` : "";
  }

  function choose(section, number) {
    section.querySelectorAll(".view").forEach((view) => { view.hidden = view.dataset.view !== number; });
  }

  function prepare(section) {
    section.querySelector(".controls").hidden = false;
    const menu = section.querySelector("select.choice");
    const search = section.querySelector("input.filter");
    const intervals = section.querySelector("input.intervals");
    choose(section, "0");
    if (menu) menu.value = "0";
    menu?.addEventListener("change", () => { choose(section, menu.value); filter(section, search.value); });
    search.addEventListener("input", () => filter(section, search.value));
    intervals.addEventListener("change", () => section.classList.toggle("terse", !intervals.checked));
  }

  document.querySelectorAll("section.sheet").forEach(prepare);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.sort");
    if (button) sort(button);
  });
})();
