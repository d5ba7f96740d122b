"use strict";

// A distribution as inline SVG; a click on a bar chooses its range.
fesbench.histogram = (() => {
  const { element, shape, shown } = fesbench;
  const [WIDEST, HEIGHT, LEFT, FOOT, HEAD, EDGE] = [560, 170, 46, 38, 10, 14];
  const [MOST_BINS, MOST_TICKS, DIALOG] = [28, 6, 76];

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
    if (low === high) return [{ from: low, to: high, label: shown(low), count: values.length }];
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
    return shape("g", { class: "bin", click: () => choose(bin) },
      shape("title", {}, `${range}: ${bin.count} outputs`),
      shape("rect", { class: "area", x, y: 0, width, height: HEIGHT - FOOT }),
      shape("rect", { class: "amount", x: x + 0.5, y: HEIGHT - FOOT - height, width: Math.max(width - 1, 1), height }));
  }

  function text(x, y, content, anchor = "middle", attributes = {}) {
    return shape("text", { class: "tick", x, y, "text-anchor": anchor, ...attributes }, content);
  }

  /** Round numbers below the bars; a bar with a name has it below its middle. */
  function ticks(found, width) {
    const y = HEIGHT - FOOT + 14;
    if (found[0].label) return found.map((bin, i) => text(LEFT + (i + 0.5) * width, y, bin.label));
    const [from, to] = [found[0].from, found.at(-1).to];
    const step = roundStep(to - from, MOST_TICKS);
    const first = Math.ceil(from / step - 1e-9);
    const count = Math.floor(to / step + 1e-9) - first + 1;
    const places = Array.from({ length: count }, (_, i) => (first + i) * step);
    return places.map((value) => text(LEFT + ((value - from) / (to - from)) * width * found.length, y, String(Number(value.toPrecision(6)))));
  }

  /** What the axes are, and how many outputs the highest bar holds. */
  function axes(column, top, right) {
    const [base, middle] = [HEIGHT - FOOT, (HEIGHT - FOOT + HEAD) / 2];
    const unit = column.unit && column.kind !== "share" ? `, ${column.unit}` : "";
    return [
      shape("line", { class: "axis", x1: LEFT, x2: right, y1: base, y2: base }),
      shape("line", { class: "grid", x1: LEFT, x2: right, y1: HEAD, y2: HEAD }),
      text(LEFT - 5, base, "0", "end"), text(LEFT - 5, HEAD + 8, String(top), "end"),
      text(LEFT + (right - LEFT) / 2, HEIGHT - 4, column.name + unit),
      text(12, middle, "outputs", "middle", { transform: `rotate(-90 12 ${middle})` }),
    ];
  }

  /** The figure; ``choose`` is called with the bin that was clicked. */
  return function histogram(values, column, choose) {
    const caption = summary(values, column);
    if (!values.length) return element("figure", { class: "histogram" }, element("figcaption", {}, caption));
    const whole = Math.min(WIDEST, innerWidth - DIALOG);
    const found = column.kind === "share" ? shares(values) : bins(values);
    const top = Math.max(...found.map((bin) => bin.count));
    const width = (whole - LEFT - EDGE) / found.length;
    const bars = found.map((bin, i) => bar(bin, LEFT + i * width, width, top, choose));
    const drawing = shape("svg", { viewBox: `0 0 ${whole} ${HEIGHT}`, role: "img", "aria-label": caption },
      ...axes(column, top, whole - EDGE), ...bars, ...ticks(found, width));
    return element("figure", { class: "histogram" }, drawing, element("figcaption", {}, caption));
  };
})();
