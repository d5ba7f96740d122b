"use strict";

// Every edit without an output, a batch at a time, loaded when it is asked for.
(() => {
  const { element, load } = fesbench;
  const BATCH = 200;

  async function rowsOf(number, part) {
    const sheet = fesbench.sheets[number];
    return Promise.all(part.map(async ([m, d, row, reason]) => {
      const edits = await load(`${number}-edits-${d}-${Math.floor(row / sheet.page)}`);
      const edit = edits.edit[row % sheet.page];
      return element("tr", {}, ...[sheet.models[m].label, sheet.domains[d].name, edit, reason].map((text) => element("td", {}, text)));
    }));
  }

  async function open(details) {
    const number = Number(details.closest("[data-sheet]").dataset.sheet);
    const failures = await load(`${number}-failures`);
    const body = element("tbody");
    const head = element("tr", {}, ...["model", "domain", "edit", "reason"].map((text) => element("th", { scope: "col" }, text)));
    const button = element("button", { type: "button", click: () => more() }, "Show more");
    async function more() {
      const start = body.rows.length;
      body.append(...await rowsOf(number, failures.slice(start, start + BATCH)));
      button.hidden = body.rows.length >= failures.length;
    }
    details.querySelector(".list").replaceChildren(
      element("table", { class: "plain" }, element("caption", {}, "Edits without an output"), element("thead", {}, head), body), button);
    await more();
  }

  document.querySelectorAll("details.failures").forEach((details) =>
    details.addEventListener("toggle", () => { if (details.open && !details.querySelector("table")) open(details); }));
})();
