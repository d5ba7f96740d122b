"use strict";

// The images at the head of a sheet: one that is chosen opens at full size, among the others of its model.
(() => {
  const { load, explain } = fesbench;

  async function outputOf(number, face) {
    const { page } = fesbench.sheets[number];
    const [d, place] = [Number(face.dataset.domain), Number(face.dataset.row)];
    const [p, row] = [Math.floor(place / page), place % page];
    const edits = await load(`${number}-edits-${d}-${p}`);
    return { d, p, row, edit: edits.edit[row], subject: edits.subject[row], target: edits.target[row], file: edits.file[row] };
  }

  async function open(face) {
    const number = Number(face.closest("[data-sheet]").dataset.sheet);
    const faces = [...face.parentElement.querySelectorAll(".face")];
    const list = await Promise.all(faces.map((one) => outputOf(number, one)));
    const sheet = fesbench.sheets[number];
    fesbench.openViewer({ number, sheet, m: Number(face.dataset.model), column: sheet.columns[0], list }, faces.indexOf(face));
  }

  document.querySelectorAll(".face img").forEach((image) => {
    image.addEventListener("error", () => explain(image));
    if (image.complete && !image.naturalWidth) explain(image);
  });
  document.addEventListener("click", (event) => {
    const face = event.target.closest("button.face");
    if (face) open(face);
  });
})();
