"use strict";

// What is behind a number: the distribution of its scores, and the images, best or worst first.
(() => {
  const { element, load, shown, valueText, imageAddress, picture, histogram } = fesbench;
  const BATCH = 48;
  const dialog = document.getElementById("cell");
  let opened = null;

  /** Pages of edits and of a model's values for some domains, as one list of outputs. */
  async function outputs(number, model, domains) {
    const sheet = fesbench.sheets[number];
    const places = domains.flatMap((d) =>
      Array.from({ length: Math.ceil(sheet.domains[d].count / sheet.page) }, (_, p) => ({ d, p })));
    const pages = await Promise.all(places.map(async ({ d, p }) => ({
      d, p, edits: await load(`${number}-edits-${d}-${p}`), values: await load(`${number}-values-${model}-${d}-${p}`),
    })));
    return pages.flatMap(({ d, p, edits, values }) =>
      edits.edit.map((edit, row) => ({
        d, p, row, values, edit, subject: edits.subject[row], target: edits.target[row], file: edits.file[row],
      })));
  }

  const valueOf = (output, column) => output.values.columns[column]?.[output.row] ?? null;
  const lossOf = (output) => output.values.lost[output.row] ?? null;

  /** The domains that a column of a table stands for: itself, those out of distribution, or all. */
  function domainsOf(sheet, name) {
    const all = sheet.domains.map((_, d) => d);
    const own = all.filter((d) => sheet.domains[d].name === name);
    if (own.length) return own;
    return name === "ood" ? all.filter((d) => sheet.domains[d].name !== "studio") : all;
  }

  /** Order by a column, ties by its companion; outputs without a value come last. */
  function ordered(list, column, best) {
    if (column.kind === "set" || column.kind === "label") return list;
    const sign = (column.direction === "lower" ? 1 : -1) * (best ? 1 : -1);
    const keys = [column.column, column.ties].filter(Boolean);
    return [...list].sort((a, b) => {
      if (!lossOf(a) !== !lossOf(b)) return lossOf(a) ? (best ? 1 : -1) : (best ? -1 : 1);
      for (const key of keys) {
        const [x, y] = [valueOf(a, key), valueOf(b, key)];
        if (x === null || y === null) { if (x !== y) return (x === null) - (y === null); } else if (x !== y) return sign * (x - y);
      }
      return 0;
    });
  }

  function field(text, control) {
    return element("label", {}, text, " ", control);
  }

  function option(value, text) {
    return element("option", { value }, text);
  }

  /** The controls above the gallery; they keep what was chosen in ``opened.choice``. */
  function controls(refresh) {
    const { column, choice, all } = opened;
    const targets = [...new Set(all.map((output) => output.target))];
    const order = element("select", { change: () => { choice.best = order.value === "best"; refresh(); } },
      option("best", "best first"), option("worst", "worst first"));
    const target = element("select", { change: () => { choice.target = target.value; refresh(); } },
      option("", "all"), ...targets.map((name) => option(name, name)));
    const search = element("input", { type: "search", placeholder: "subject or edit", input: () => { choice.text = search.value.toLowerCase(); refresh(); } });
    target.value = choice.target;
    const limits = ["from", "to"].map((end) => element("input", {
      type: "number", step: "any", class: end, input: (event) => { choice[end] = event.target.value === "" ? null : Number(event.target.value); refresh(); },
    }));
    const graded = column.kind === "score" || column.kind === "share";
    return element("div", { class: "controls" },
      graded ? field("Order", order) : null,
      field("Expression", target),
      field("Find", search),
      graded ? field("Score from", limits[0]) : null,
      graded ? field("to", limits[1]) : null,
      element("span", { class: "count quiet", role: "status" }));
  }

  function chosen() {
    const { all, column, choice } = opened;
    return ordered(all.filter((output) => {
      const value = valueOf(output, column.column);
      const inRange = (choice.from === null || (value !== null && value >= choice.from)) && (choice.to === null || (value !== null && value <= choice.to));
      const found = !choice.text || output.edit.toLowerCase().includes(choice.text) || output.subject.toLowerCase().includes(choice.text);
      return inRange && found && (!choice.target || output.target === choice.target);
    }), column, choice.best);
  }

  function tile(output, place) {
    const { sheet, model, column } = opened;
    const value = valueText(column, valueOf(output, column.column));
    const text = `${model.label}, ${output.edit}`;
    const lost = lossOf(output);
    const inside = lost
      ? element("span", { class: "missing" }, lost)
      : picture(imageAddress(sheet, model, output.file), text, { loading: "lazy", width: 112, height: 112 });
    const caption = element("span", { class: "under" }, column.kind === "set" ? output.target : `${value} · ${output.target}`);
    return element("li", {}, element("button", {
      type: "button", class: "tile", title: output.edit, click: () => fesbench.openViewer(opened, place),
    }, inside, caption));
  }

  /** Show the next images of the list. */
  function more() {
    const gallery = dialog.querySelector(".gallery");
    const start = gallery.children.length;
    const next = opened.list.slice(start, start + BATCH);
    gallery.append(...next.map((output, i) => tile(output, start + i)));
    dialog.querySelector(".more").hidden = gallery.children.length >= opened.list.length;
    return gallery.children[start];
  }

  function refresh() {
    opened.list = chosen();
    dialog.querySelector(".gallery").replaceChildren();
    dialog.querySelector(".count").textContent = `${opened.list.length} of ${opened.all.length} outputs`;
    more();
  }

  function chooseBin(bin) {
    for (const end of ["from", "to"]) {
      opened.choice[end] = bin[end];
      dialog.querySelector(`input.${end}`).value = Number(bin[end].toPrecision(6));
    }
    refresh();
  }

  /** The distribution; a set metric has none, and says what it judges instead. */
  function distribution() {
    const { all, column } = opened;
    if (column.kind === "set") return element("p", {}, "This metric judges the outputs as a set: there is no score of a single one. Below are the outputs that it saw, in the order of the edits.");
    if (column.kind === "label") return element("p", {}, "These are labels, not scores.");
    const values = all.filter((output) => !opened.choice.target || output.target === opened.choice.target)
      .map((output) => valueOf(output, column.column)).filter((value) => value !== null);
    return histogram(values, column, chooseBin);
  }

  function heading(shownText) {
    const { model, column, place } = opened;
    return element("div", { class: "heading" },
      element("div", {},
        element("h2", { id: "cell-title" }, `${column.name} of ${model.label}`),
        element("p", { class: "quiet" }, `${place} · ${shownText}`),
        column.meaning ? element("p", { class: "meaning" }, column.meaning) : null,
        column.notes.length ? element("details", { class: "background" }, element("summary", {}, `Notes on ${column.name}`), element("ul", { class: "notes" }, column.notes.map((text) => element("li", {}, text)))) : null),
      element("button", { type: "button", class: "close", "aria-label": "Close", click: () => dialog.close() }, "×"));
  }

  /** Open the dialog for a number; ``scope`` is the domain or the expression that it stands for. */
  async function open(number, { model: name, metric, domain, target }, text) {
    const sheet = fesbench.sheets[number];
    const m = sheet.models.findIndex((model) => model.name === name);
    const column = sheet.columns.find((one) => one.column === metric);
    if (m < 0 || !column) return;
    const domains = domainsOf(sheet, domain ?? "all");
    dialog.replaceChildren(element("p", { class: "quiet" }, "Loading…"));
    if (!dialog.open) dialog.showModal();
    let all;
    try {
      all = await outputs(number, m, domains);
    } catch (error) {
      dialog.replaceChildren(element("p", { role: "alert" }, `This report is incomplete: ${error.message}`));
      return;
    }
    opened = {
      number, sheet, m, model: sheet.models[m], column, all, list: [],
      place: domain ? domains.map((d) => sheet.domains[d].name).join(", ") : `asked for ${target}`,
      choice: { best: true, target: target ?? "", text: "", from: null, to: null },
    };
    const button = element("button", { type: "button", class: "more", click: () => more()?.querySelector("button").focus() }, "Show more");
    dialog.replaceChildren(heading(text), distribution(), controls(refresh), element("ul", { class: "gallery" }), button);
    refresh();
    dialog.querySelector(".close").focus();
    history.replaceState(null, "", `#${encodeURIComponent(JSON.stringify([number, name, metric, domain ?? null, target ?? null]))}`);
  }

  dialog.addEventListener("close", () => history.replaceState(null, "", location.href.split("#")[0]));

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.number");
    if (button) {
      const interval = button.parentElement.querySelector(".interval")?.textContent;
      const text = button.textContent + (interval ? ` (95% interval ${interval})` : "");
      open(Number(button.closest("[data-sheet]").dataset.sheet), button.dataset, text);
    }
    if (event.target === dialog) dialog.close();
  });

  /** An address that names a number opens it: links to what is behind a number can be passed on. */
  fesbench.whenReady(() => {
    let wanted;
    try {
      wanted = JSON.parse(decodeURIComponent(location.hash.slice(1)));
    } catch {
      return;
    }
    if (!Array.isArray(wanted) || !fesbench.sheets[wanted[0]]) return;
    const [number, model, metric, domain, target] = wanted;
    const wantedButton = [...document.querySelectorAll(`[data-sheet="${Number(number)}"] button.number`)].find(({ dataset }) =>
      dataset.model === model && dataset.metric === metric && (dataset.domain ?? null) === domain && (dataset.target ?? null) === target);
    wantedButton?.click();
  });

})();
