"use strict";

// One output at full size: beside input and truth, over the input with a slider, or as a difference.
(() => {
  const { element, load, valueText, imageAddress, picture } = fesbench;
  const dialog = document.getElementById("viewer");
  const MODES = { beside: "Side by side", slider: "Slider", difference: "Difference" };
  const kept = { mode: "beside", against: "copy", gain: 4, cut: 50 };
  let shownNow = null;

  const modelNamed = (sheet, name) => sheet.models.find((model) => model.name === name);

  function framed(sheet, model, output, caption) {
    const address = imageAddress(sheet, model, output.file);
    return element("figure", {}, picture(address, `${caption}: ${output.target}, ${output.edit}`), element("figcaption", {}, caption));
  }

  /** Input, output and truth, as far as the run holds them. */
  function beside({ sheet, model, output, lost }) {
    const parts = [[modelNamed(sheet, "copy"), "input"], [model, model.label], [modelNamed(sheet, "truth"), "truth"]];
    const others = parts.filter(([one], i) => one && (i === 1 || one !== model));
    return element("div", { class: "beside" }, others.map(([one, caption]) =>
      one === model && lost
        ? element("figure", {}, element("span", { class: "missing" }, lost), element("figcaption", {}, caption))
        : framed(sheet, one, output, caption)));
  }

  /** Two images in one place; the upper one is what ``draw`` changes. */
  function stacked(view, under, name) {
    const { sheet, model, output } = view;
    const text = `${output.target}, ${output.edit}`;
    const upper = picture(imageAddress(sheet, model, output.file), `${model.label}: ${text}`, { class: "upper" });
    const stack = element("div", { class: `stack ${name}` }, picture(imageAddress(sheet, under, output.file), `${under.label}: ${text}`), upper);
    return { stack, upper };
  }

  function range(label, low, high, step, value, apply) {
    const input = element("input", { type: "range", min: low, max: high, step, "aria-label": label, input: () => apply(Number(input.value)) });
    input.value = value;
    apply(value);
    return element("label", { class: "range" }, label, " ", input);
  }

  function slider(view) {
    const { stack, upper } = stacked(view, modelNamed(view.sheet, "copy"), "cut");
    const line = element("span", { class: "line" });
    stack.append(line);
    const control = range("Input to output", 0, 100, 1, kept.cut, (value) => {
      kept.cut = value;
      upper.style.clipPath = `inset(0 ${100 - value}% 0 0)`;
      line.style.left = `${value}%`;
    });
    const drag = (event) => {
      if (event.buttons !== 1) return;
      const box = stack.getBoundingClientRect();
      const input = control.querySelector("input");
      input.value = (100 * (event.clientX - box.left)) / box.width;
      input.dispatchEvent(new Event("input"));
    };
    stack.addEventListener("pointerdown", drag);
    stack.addEventListener("pointermove", drag);
    return element("div", { class: "single" }, stack, control, element("p", { class: "quiet" }, `Left of the line: ${view.model.label}; right: the input.`));
  }

  function difference(view) {
    const choices = ["copy", "truth"].map((name) => modelNamed(view.sheet, name)).filter(Boolean);
    const under = choices.find((one) => one.name === kept.against) ?? choices[0];
    const { stack } = stacked(view, under, "differing");
    const gain = range("Amplification", 1, 16, 1, kept.gain, (value) => {
      kept.gain = value;
      stack.style.filter = `brightness(${value})`;
    });
    const menu = element("select", { change: () => { kept.against = menu.value; render(); } },
      choices.map((one) => element("option", { value: one.name }, one.name === "copy" ? "input" : "truth")));
    menu.value = under.name;
    return element("div", { class: "single" }, stack, element("label", {}, "Difference to ", menu), gain,
      element("p", { class: "quiet" }, "Black: no difference."));
  }

  /** The picture part, in the mode that was chosen; without the input only one mode is possible. */
  function stage(view) {
    const able = modelNamed(view.sheet, "copy") || (kept.mode === "difference" && modelNamed(view.sheet, "truth"));
    if (kept.mode === "beside" || view.lost || !able) return beside(view);
    return kept.mode === "slider" ? slider(view) : difference(view);
  }

  function modes() {
    return element("div", { class: "modes", role: "group", "aria-label": "How to compare" }, Object.entries(MODES).map(([mode, text]) =>
      element("button", { type: "button", class: "small", "aria-pressed": String(kept.mode === mode), click: () => { kept.mode = mode; render(); dialog.querySelector('[aria-pressed="true"]').focus(); } }, text)));
  }

  function scores({ sheet, values, output, lost }) {
    const rows = sheet.columns.filter((column) => column.kind !== "set").map((column) => {
      const value = values.columns[column.column]?.[output.row] ?? null;
      const why = lost ?? values.unscored[column.column]?.[output.row];
      const arrow = { higher: " ↑", lower: " ↓" }[column.direction] ?? "";
      return element("tr", {}, element("th", { scope: "row", title: column.title }, column.name + arrow),
        element("td", {}, valueText(column, value), why && value === null ? element("span", { class: "quiet" }, ` ${why}`) : null));
    });
    return element("table", { class: "plain scores" }, element("caption", {}, "Scores of this output"), element("tbody", {}, rows));
  }

  /** The same edit by every model, with its score; the one on show is marked. */
  function strip({ sheet, m, output, pages, column }) {
    return element("ul", { class: "strip", "aria-label": "The same edit by every model" }, sheet.models.map((model, place) => {
      const lost = pages[place].lost[output.row];
      const value = pages[place].columns[column.column]?.[output.row];
      return element("li", {}, element("button", { type: "button", class: "tile", "aria-current": place === m ? "true" : false, click: () => switchTo(place) },
        lost
          ? element("span", { class: "missing" }, lost)
          : picture(imageAddress(sheet, model, output.file), "", { loading: "lazy", width: 72, height: 72 }),
        element("span", { class: "under" }, model.label),
        column.kind === "set" ? null : element("span", { class: "under quiet" }, valueText(column, value))));
    }));
  }

  function render() {
    const { sheet, output, model, list, place, column, values } = shownNow;
    const value = column.kind === "set" ? "" : ` · ${column.name} ${valueText(column, values.columns[column.column]?.[output.row])}`;
    dialog.replaceChildren(
      element("div", { class: "heading" },
        element("div", {},
          element("h2", { id: "viewer-title" }, `${model.label}, ${output.target}`),
          element("p", { class: "quiet", role: "status" }, `${output.edit} · ${sheet.domains[output.d].name} · subject ${output.subject}${value}`)),
        element("button", { type: "button", class: "close", "aria-label": "Close", click: () => dialog.close() }, "×")),
      element("div", { class: "viewing" }, element("div", {}, modes(), stage(shownNow), strip(shownNow)), scores(shownNow)),
      element("div", { class: "steps" },
        element("button", { type: "button", disabled: place === 0, click: () => step(-1) }, "← previous"),
        element("span", { class: "quiet" }, `${place + 1} of ${list.length} · arrow keys: ← → outputs, ↑ ↓ models`),
        element("button", { type: "button", disabled: place === list.length - 1, click: () => step(1) }, "next →")));
  }

  /** Show place ``place`` of the list as answered by model ``m``. */
  async function show(place, m) {
    const { number, sheet, list } = shownNow;
    const output = list[place];
    const pages = await Promise.all(sheet.models.map((_, model) => load(`${number}-values-${model}-${output.d}-${output.p}`)));
    const values = pages[m];
    Object.assign(shownNow, { place, m, output, pages, values, model: sheet.models[m], lost: values.lost[output.row] ?? null });
    const focused = document.activeElement?.textContent;
    render();
    const again = [...dialog.querySelectorAll("button")].find((button) => button.textContent === focused && !button.disabled);
    (again ?? dialog.querySelector(".close")).focus();
  }

  function step(by) {
    const place = shownNow.place + by;
    if (place >= 0 && place < shownNow.list.length) show(place, shownNow.m);
  }

  function switchTo(m) {
    const count = shownNow.sheet.models.length;
    show(shownNow.place, (m + count) % count);
  }

  fesbench.openViewer = async ({ number, sheet, m, column, list }, place) => {
    shownNow = { number, sheet, column, list };
    await show(place, m);
    if (!dialog.open) dialog.showModal();
    dialog.querySelector(".close").focus();
  };

  dialog.addEventListener("keydown", (event) => {
    if (["INPUT", "SELECT"].includes(event.target.tagName)) return;
    const actions = { ArrowLeft: () => step(-1), ArrowRight: () => step(1), ArrowUp: () => switchTo(shownNow.m - 1), ArrowDown: () => switchTo(shownNow.m + 1) };
    if (actions[event.key]) {
      event.preventDefault();
      actions[event.key]();
    }
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
})();
