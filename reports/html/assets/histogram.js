"use strict";

// A distribution as inline SVG; a click on a bar chooses its range.
fesbench.histogram = (() => {
  const { element, shape, shown } = fesbench;
  const [WIDTH, HEIGHT, FOOT, HEAD] = [560, 120, 20, 14];
  const MOST_BINS = 28;

  /** A round step that divides a span into at most so many parts. */
  function roundStep(span, parts) {
    const raw = span / parts;
    const power = 10 ** Math.floor(Math.log10(raw));
    return power * [1, 2, 2.5, 5, 10].find((factor) => factor * power >= raw);
  }

  /** Bins {from, to, count}; the last one holds its upper end as well. */
  function bins(values) {
    const low = Math.min(...extent(values));
    const high = Math.max(...extent(values));
    if (low === high) return [{ from: low, to: high, count: values.length }];
    const step = roundStep(high - low, MOST_BINS);
    const first = Math.floor(low / step + 1e-9);
    const count = Math.max(Math.ceil(high / step - 1e-9) - first, 1);
    const found = Array.from({ length: count }, (_, i) => ({ from: (first + i) * step, to: (first + i + 1) * step, count: 0 }));
    for (const value of values) {
      found[Math.min(Math.max(Math.floor(value / step + 1e-9) - first, 0), count - 1)].count += 1;
    }
    return found;
  }

  function extent(values) {
    let [low, high] = [Infinity, -Infinity];
    for (const value of values) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    return [low, high];
  }

  function quantile(sorted, share) {
    const place = share * (sorted.length - 1);
    const below = Math.floor(place);
    return sorted[below] + (place - below) * ((sorted[below + 1] ?? sorted[below]) - sorted[below]);
  }

  /** What the picture shows, in a sentence. */
  function summary(values, column) {
    if (!values.length) return "No output has a value.";
    if (column.kind === "share") {
      const yes = values.filter((value) => value === 1).length;
      return `${yes} of ${values.length} outputs (${((100 * yes) / values.length).toFixed(1)}%): yes.`;
    }
    const sorted = Float64Array.from(values).sort();
    const at = (share) => shown(quantile(sorted, share));
    return `${values.length} outputs: median ${at(0.5)}, middle half ${at(0.25)} to ${at(0.75)}, from ${at(0)} to ${at(1)}.`;
  }

  function shares(values) {
    return [0, 1].map((value) => ({ from: value, to: value, label: value ? "yes" : "no", count: values.filter((v) => v === value).length }));
  }

  function bar(bin, x, width, top, choose) {
    const height = bin.count ? Math.max((bin.count / top) * (HEIGHT - FOOT - HEAD), 1.5) : 0;
    const range = bin.label ?? `${shown(bin.from)} to ${shown(bin.to)}`;
    const group = shape("g", { class: "bin", click: () => choose(bin) },
      shape("title", {}, `${range}: ${bin.count} outputs`),
      shape("rect", { class: "area", x, y: 0, width, height: HEIGHT - FOOT }),
      shape("rect", { class: "amount", x: x + 0.5, y: HEIGHT - FOOT - height, width: Math.max(width - 1, 1), height }));
    return group;
  }

  function tick(x, text, anchor) {
    return shape("text", { class: "tick", x, y: HEIGHT - 5, "text-anchor": anchor }, text);
  }

  /** The figure; ``choose`` is called with the bin that was clicked. */
  return function histogram(values, column, choose) {
    const caption = summary(values, column);
    if (!values.length) return element("figure", { class: "histogram" }, element("figcaption", {}, caption));
    const found = column.kind === "share" ? shares(values) : bins(values);
    const top = Math.max(...found.map((bin) => bin.count));
    const width = WIDTH / found.length;
    const bars = found.map((bin, i) => bar(bin, i * width, width, top, choose));
    const ticks = column.kind === "share"
      ? found.map((bin, i) => tick((i + 0.5) * width, `${bin.label} · ${bin.count}`, "middle"))
      : [tick(0, shown(found[0].from), "start"), tick(WIDTH, shown(found.at(-1).to), "end"), tick(WIDTH / 2, column.unit, "middle")];
    const label = shape("text", { class: "tick", x: 0, y: 10 }, `${top} outputs`);
    const drawing = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": caption },
      shape("line", { class: "axis", x1: 0, x2: WIDTH, y1: HEIGHT - FOOT, y2: HEIGHT - FOOT }), ...bars, ...ticks, label);
    return element("figure", { class: "histogram" }, drawing, element("figcaption", {}, caption));
  };
})();
