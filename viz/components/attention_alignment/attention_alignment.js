// The attention weights: curves from output to source symbols, and below them a heatmap with a row for each step; at its right the
// entropy of each step's weights, under it the sum of each source symbol's.
function build(context) {
  const { root, store } = context;
  const selection = unrolled.attentionSelection;
  const CURVES = 116, TOKEN = 30, COVERAGE = 46, LEFT = 40, FADE = 28; // FADE: of the edges, where columns scroll
  const sides = { left: unrolled.element("canvas"), right: unrolled.element("canvas") };
  const columns = unrolled.columns(context, paint);
  columns.element.setAttribute("role", "img");
  const plot = unrolled.element("div", { className: "unrolled-attention-alignment-plot" }, sides.left, columns.element, sides.right);
  const area = unrolled.element("div", { className: "unrolled-area", tabindex: 0, role: "group" }, plot);
  const colourBar = unrolled.element("i");
  const legend = unrolled.element("div", { className: "unrolled-legend unrolled-muted", "aria-hidden": "true" }, "0", colourBar, "1");
  const explain = unrolled.element("span", { className: "unrolled-muted" });
  const save = unrolled.element("button", { type: "button", className: "unrolled-save" });
  const mirror = unrolled.element("div", { className: "unrolled-hidden", role: "list" });
  root.append(area, unrolled.element("div", { className: "unrolled-foot" }, explain, legend, save), mirror);
  let row = 24, height = 0, pitch = 40, entropyWidth = 132;

  const top = (step) => CURVES + 2 * TOKEN + 8 + step * row;
  const bottom = () => top(store.trace.steps);
  const target = (step) => outputLeft() + (step + 0.5) * pitch; // the x of an output symbol above the curves
  const clearWidth = () => columns.visibleWidth - (columns.scrolls() ? 2 * FADE : 0);
  const outputLeft = () => columns.element.scrollLeft + Math.max(0, (columns.visibleWidth - pitch * store.trace.steps) / 2); // does not scroll

  function layout() {
    const { trace } = store;
    row = trace.steps > 16 ? 20 : 24;
    height = top(trace.steps) + COVERAGE + 24;
    entropyWidth = context.width < 480 ? 96 : 132;
    const room = context.width - LEFT - entropyWidth;
    columns.layout(trace.units, room, height, { min: 9, max: 56 });
    pitch = Math.min(44, Math.max(16, clearWidth() / trace.steps));
    columns.element.setAttribute("aria-label", context.words.map);
    colourBar.style.background = unrolled.gradient(context.palette.unit);
    explain.textContent = context.words.explain;
    fillMirror();
  }

  // -- drawing
  const scale = { name: "unit", low: 0, high: 1 };

  function chip(pen, text, x, y, width, colour, { theme }) {
    pen.fillStyle = colour;
    pen.beginPath();
    pen.roundRect(x - width / 2, y, width, TOKEN - 4, 4);
    pen.fill();
    pen.globalAlpha = 0.25;
    pen.strokeStyle = theme.text;
    pen.lineWidth = 1;
    pen.stroke();
    pen.globalAlpha = 1;
    pen.fillStyle = colour === "transparent" ? theme.text : unrolled.contrastColour(colour);
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.font = `${Math.min(17, Math.max(11, width - 1))}px ${theme.code}, ${theme.font}`;
    pen.fillText(text, x, y + TOKEN / 2 - 1, width);
  }

  function curves(pen, first, last) {
    const { palette, theme } = context;
    const { trace, step: current } = store;
    const middle = (k) => columns.x(k) + columns.cell / 2;
    const order = Array.from({ length: trace.steps }, (_, step) => step).filter((step) => step !== current);
    for (const step of [...order, current]) {
      const weights = selection.row(trace.arrays.attention_weight, step);
      pen.strokeStyle = step === current ? theme.accent : palette.quantity.attention_weight;
      for (let k = 0; k < weights.length; k++) {
        if (!(weights[k] >= 0.02)) continue;
        if (step !== current && (k < first - 40 || k > last + 40)) continue;
        pen.globalAlpha = step === current ? Math.min(1, 0.25 + weights[k]) : 0.5 * weights[k];
        pen.lineWidth = 0.75 + 5 * weights[k];
        const [x0, y0, x1, y1] = [target(step), TOKEN - 2, middle(k), TOKEN + CURVES];
        pen.beginPath();
        pen.moveTo(x0, y0);
        pen.bezierCurveTo(x0, (y0 + y1) / 2, x1, (y0 + y1) / 2, x1, y1);
        pen.stroke();
      }
    }
    pen.globalAlpha = 1;
    trace.tokens.forEach((token, step) => {
      chip(pen, unrolled.displayToken(token), target(step), 2, Math.min(pitch - 3, 34), theme.background, { theme });
      if (step === current) outline(pen, target(step) - Math.min(pitch - 3, 34) / 2, 2, Math.min(pitch - 3, 34), TOKEN - 4, theme.accent);
    });
  }

  function outline(pen, x, y, width, height, colour, lineWidth = 2.5) {
    pen.strokeStyle = colour;
    pen.lineWidth = lineWidth;
    pen.beginPath();
    pen.roundRect(x, y, width, height, 4);
    pen.stroke();
  }

  function paint(pen, first, last) {
    const { trace, step: current } = store;
    if (!trace || !height) return;
    const { palette, theme } = context;
    curves(pen, first, last);
    const { data } = trace.arrays.attention_weight;
    const coverage = trace.arrays.source_coverage.data;
    const maxCoverage = Math.max(1, ...coverage);
    const weights = selection.row(trace.arrays.attention_weight, current);
    for (let k = first; k < last; k++) {
      const [x, cell] = [columns.x(k), columns.cell];
      chip(pen, unrolled.displayToken(trace.options.source[k]), x + cell / 2, TOKEN + CURVES + 2, cell - 1, unrolled.colourOf(weights[k], scale, palette), { theme });
      for (let step = 0; step < trace.steps; step++) {
        pen.fillStyle = unrolled.colourOf(data[step * trace.units + k], scale, palette);
        pen.fillRect(x, top(step), cell - (cell > 8 ? 1 : 0), row - 1);
      }
      pen.fillStyle = palette.quantity.attention_weight;
      const barHeight = (coverage[k] / maxCoverage) * COVERAGE;
      pen.fillRect(x + cell * 0.12, bottom() + 6 + COVERAGE - barHeight, cell * 0.76, barHeight);
    }
    pen.globalAlpha = 0.3;
    pen.fillStyle = theme.text;
    pen.fillRect(columns.x(first), bottom() + 6 + COVERAGE, columns.x(last) - columns.x(first), 1);
    pen.globalAlpha = 1;
    outline(pen, columns.x(first) + 1, top(current) - 1, columns.x(last) - columns.x(first) - 2, row + 1, theme.accent);
    const chosen = selection.source(store);
    pen.setLineDash(selection.pinned(store) === null ? [4, 3] : []);
    outline(pen, columns.x(chosen), top(0) - 2, columns.cell, bottom() - top(0) + 3, theme.text, 1.25);
    pen.setLineDash([]);
  }

  function drawSides() {
    const { trace, step: current } = store;
    const { theme, words, palette } = context;
    const left = unrolled.sizeCanvas(sides.left, LEFT, height);
    left.font = `15px ${theme.code}, ${theme.font}`;
    left.textAlign = "right";
    left.textBaseline = "middle";
    left.fillStyle = theme.text;
    trace.tokens.forEach((token, step) => {
      left.font = `${step === current ? "700 " : ""}15px ${theme.code}, ${theme.font}`;
      left.fillText(unrolled.displayToken(token), LEFT - 8, top(step) + row / 2);
    });
    const right = unrolled.sizeCanvas(sides.right, entropyWidth, height);
    right.font = `13px ${theme.font}`;
    right.textBaseline = "middle";
    right.fillStyle = theme.text;
    const entropy = trace.arrays.entropy.data;
    const maxEntropy = Math.max(1, Math.log2(trace.units));
    const room = entropyWidth - 62;
    right.globalAlpha = 0.8;
    right.fillText(words.entropy, 14, top(0) - 14, entropyWidth - 14);
    right.fillText(words.coverage, 14, bottom() + 8 + COVERAGE / 2, entropyWidth - 14);
    right.globalAlpha = 1;
    entropy.forEach((value, step) => {
      right.globalAlpha = step === current ? 1 : 0.55;
      right.fillStyle = palette.quantity.attention_weight;
      const barWidth = Math.max(1, (value / maxEntropy) * room);
      right.fillRect(14, top(step) + 4, barWidth, row - 9);
      right.fillStyle = theme.text;
      right.fillText(value.toFixed(2), 20 + barWidth, top(step) + row / 2);
    });
    right.globalAlpha = 1;
  }

  // -- input
  // The {step, column} under the pointer, column -1 for an output symbol; null beside them.
  function cellAt(event) {
    const { column, y } = columns.at(event);
    const step = Math.floor((y - top(0)) / row);
    if (y <= TOKEN) {
      const box = columns.canvas.getBoundingClientRect();
      const k = Math.floor((event.clientX - box.left + columns.element.scrollLeft - outputLeft()) / pitch);
      return k >= 0 && k < store.trace.steps ? { step: k, column: -1 } : null;
    }
    if (y >= TOKEN + CURVES && y < top(0) && column >= 0) return { step: store.step, column };
    return column >= 0 && step >= 0 && step < store.trace.steps ? { step, column } : null;
  }

  context.on(columns.element, "pointermove", (event) => {
    const found = store.trace ? cellAt(event) : null;
    if (!found) return unrolled.tooltip(null);
    const { words } = context;
    const { trace } = store;
    const output = unrolled.fillTemplate(words.writes, { step: found.step + 1, token: unrolled.displayToken(trace.tokens[found.step]) });
    if (found.column < 0) return unrolled.tooltip([output], event.clientX, event.clientY, root);
    const k = found.step * trace.units + found.column;
    unrolled.tooltip([
      unrolled.fillTemplate(words.weight_at, { value: unrolled.formatNumber(trace.arrays.attention_weight.data[k]) }),
      output,
      unrolled.fillTemplate(words.source_at, { n: found.column + 1, token: unrolled.displayToken(trace.options.source[found.column]) }),
      unrolled.fillTemplate(words.score_at, { value: unrolled.formatNumber(trace.arrays.attention_score.data[k]) }),
    ], event.clientX, event.clientY, root);
  });
  context.on(columns.element, "pointerleave", () => unrolled.tooltip(null));
  context.on(columns.element, "click", (event) => {
    const found = store.trace ? cellAt(event) : null;
    if (!found) return;
    store.set({ step: found.step });
    if (found.column >= 0) selection.pin(store, found.column);
  });
  context.on(area, "keydown", (event) => {
    const moves = { ArrowUp: store.step - 1, ArrowDown: store.step + 1 };
    if (!store.trace || event.ctrlKey || event.metaKey || event.altKey || moves[event.key] === undefined) return;
    event.preventDefault();
    store.set({ step: moves[event.key] });
  });
  context.on(save, "click", () => {
    if (!store.trace) return;
    const sheet = document.createElement("canvas");
    const [width, sheetHeight] = [LEFT + columns.visibleWidth + entropyWidth + 16, height + 16];
    const pen = unrolled.sizeCanvas(sheet, width, sheetHeight);
    pen.fillStyle = context.theme.background;
    pen.fillRect(0, 0, width, sheetHeight);
    pen.drawImage(sides.left, 8, 8, LEFT, height);
    pen.drawImage(columns.canvas, 8 + LEFT, 8, columns.visibleWidth, height);
    pen.drawImage(sides.right, 8 + LEFT + columns.visibleWidth, 8, entropyWidth, height);
    unrolled.savePng(sheet, `${store.trace.layer}-alignment`);
  });

  // Every weight of every step as text, for screen readers and for tests.
  function fillMirror() {
    const { trace } = store;
    const { arrays, options } = trace;
    const item = (quantity, text, value, attributes) => unrolled.element("span", {
      role: "listitem", "data-quantity": quantity, "data-layer": trace.layer, "data-value": String(value), ...attributes, text: `${text}: ${unrolled.formatNumber(value)}`,
    });
    mirror.setAttribute("aria-label", context.words.map);
    const head = options.head === undefined ? {} : { "data-head": options.head };
    mirror.replaceChildren(
      ...Array.from(arrays.attention_weight.data, (value, k) => {
        const [step, source] = [Math.floor(k / trace.units), k % trace.units];
        return item("attention_weight", `${unrolled.displayToken(trace.tokens[step])} ← ${unrolled.displayToken(options.source[source])}`, value,
          { "data-step": step, "data-source": source, ...head });
      }),
      ...Array.from(arrays.entropy.data, (value, step) => item("attention_entropy", unrolled.displayToken(trace.tokens[step]), value, { "data-step": step })),
      ...Array.from(arrays.source_coverage.data, (value, k) => item("attention_coverage", unrolled.displayToken(options.source[k]), value, { "data-source": k })),
    );
  }

  const unpin = selection.subscribe(store, () => store.trace && height && columns.paint());

  return {
    relabel() {
      save.textContent = context.words.save;
      area.setAttribute("aria-label", context.words.keys);
    },
    layout,
    frame() {
      columns.paint();
      drawSides();
    },
    destroy() {
      unpin();
      unrolled.tooltip(null);
    },
  };
}

unrolled.define("attention_alignment", build);
