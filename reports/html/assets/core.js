"use strict";

// What all scripts of the page share. Text reaches the page through textContent and attributes alone.
const fesbench = (() => {
  const waiting = new Map();
  const loaded = new Map();

  /** An element with attributes (a function is a listener) and children: elements or text. */
  function element(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    setAll(node, attributes);
    node.append(...children.flat().filter((child) => child !== null && child !== undefined));
    return node;
  }

  /** The same in SVG. */
  function shape(tag, attributes = {}, ...children) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    setAll(node, attributes);
    node.append(...children);
    return node;
  }

  function setAll(node, attributes) {
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === "function") node.addEventListener(name, value);
      else if (value === true) node.setAttribute(name, "");
      else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
    }
  }

  /** The content of a data file: a script that calls receive, as pages on disk may fetch nothing. */
  function load(key) {
    if (!loaded.has(key)) {
      loaded.set(key, new Promise((resolve, reject) => {
        waiting.set(key, resolve);
        const script = element("script", { src: `data/${key}.js` });
        script.addEventListener("error", () => {
          loaded.delete(key);
          reject(new Error(`data/${key}.js is missing`));
        });
        script.addEventListener("load", () => script.remove());
        document.head.append(script);
      }));
    }
    return loaded.get(key);
  }

  function receive(key, content) {
    if (key === "manifest") start(content);
    else waiting.get(key)?.(content);
    waiting.delete(key);
  }

  const starters = [];

  /** Run something once the manifest is there. */
  function whenReady(starter) {
    starters.push(starter);
  }

  function start(sheets) {
    fesbench.sheets = sheets;
    starters.forEach((starter) => starter());
    document.documentElement.dataset.ready = "true";
  }

  /** A number as a reader wants it: few digits, more where it is small. */
  function shown(value) {
    if (value === null || value === undefined) return "–";
    if (Number.isInteger(value)) return String(value);
    const size = Math.abs(value);
    return value.toFixed(size >= 100 ? 1 : size >= 10 ? 2 : size >= 0.01 ? 3 : 5);
  }

  /** The value of a column as text: a label's name, yes or no for a share. */
  function valueText(column, value) {
    if (value === null || value === undefined) return "–";
    if (column.kind === "label") return column.labels[value] ?? String(value);
    if (column.kind === "share") return value === 1 ? "yes" : value === 0 ? "no" : shown(value);
    return shown(value);
  }

  /** Address of an image; every part of it is quoted. */
  function imageAddress(sheet, model, file) {
    const folder = model.folder.split("/").map(encodeURIComponent).join("/");
    return `${sheet.root}/${folder}/${encodeURIComponent(file)}.png`;
  }

  /** An image that turns into a word of explanation where its file is missing. */
  function picture(address, text, attributes = {}) {
    const image = element("img", { src: address, alt: text, decoding: "async", ...attributes });
    image.addEventListener("error", () => explain(image));
    return image;
  }

  /** Put words into the place of an image that has no file. */
  function explain(image) {
    image.replaceWith(element("span", { class: "missing" }, image.alt ? `no image here: ${image.alt}` : "no image here"));
  }

  return { element, shape, load, receive, whenReady, shown, valueText, imageAddress, picture, explain, sheets: [] };
})();
