"use strict";

// Copying a table as text, in the formats that the report brings along.
(() => {
  const { element, load } = fesbench;

  async function toClipboard(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = element("textarea", { class: "offscreen", readonly: true });
      area.value = text;
      document.body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      if (!done) throw new Error("the browser refused");
    }
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    const name = button.dataset.copy;
    const sheet = button.closest("[data-sheet]").dataset.sheet;
    try {
      const texts = await load(`${sheet}-texts`);
      await toClipboard(texts[button.dataset.table][name]);
      button.textContent = `${name} copied`;
    } catch (error) {
      button.textContent = `not copied: ${error.message}`;
    }
    setTimeout(() => { button.textContent = name; }, 2000);
  });
})();
