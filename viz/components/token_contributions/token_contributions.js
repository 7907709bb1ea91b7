// The contribution of each source symbol to the symbol generated at this step, by three measures: its weight, its weight times its
// value, and gradient times input.
function build(context) {
  const { root, store } = context;
  const selection = unrolled.attentionSelection;
  const TOKEN = 30, BAR_HEIGHT = 66;
  const MEASURES = ["attention_weight", "contribution_value", "contribution_gradient"];
  const names = {};
  const gutter = unrolled.element("div", { className: "unrolled-token-contributions-names" }, ...MEASURES.map((measure) =>
    (names[measure] = unrolled.element("div", {}, unrolled.element("b"), unrolled.element("span", { className: "unrolled-muted" })))));
  const maxLabels = MEASURES.map(() => unrolled.element("i", { className: "unrolled-muted" }));
  gutter.append(...maxLabels);
  const columns = unrolled.columns(context, paint);
  columns.element.setAttribute("role", "img");
  const drawing = unrolled.element("div", { className: "unrolled-token-contributions-plot" }, gutter, columns.element);
  const readout = unrolled.element("p", { className: "unrolled-readout" });
  const mirror = unrolled.element("div", { className: "unrolled-hidden", role: "list" });
  root.append(drawing, readout, mirror);
  let laidOut = false, soon = 0;

  let nameHeight = 0; // of the tallest name: the rows are far enough apart for it
  const outside = () => Math.max(0, (nameHeight - BAR_HEIGHT) / 2);
  const top = (k) => TOKEN + 14 + outside() + k * (Math.max(BAR_HEIGHT + 22, nameHeight + 8));
  const height = () => top(MEASURES.length - 1) + BAR_HEIGHT + outside() + 6;
  const values = (measure) => selection.row(store.trace.arrays[measure], store.step);

  // The y of 0, and the pixels per 1, for this step; the three measures have no common unit.
  function scale(measure, row) {
    let [low, high] = measure === "attention_weight" ? [0, 1] : [0, 0];
    for (const value of row) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    const factor = BAR_HEIGHT / (high - low || 1);
    return { factor, zero: high * factor, high };
  }

  function layout() {
    const namesWidth = context.width < 560 ? 140 : 220;
    drawing.style.gridTemplateColumns = `${namesWidth}px max-content`;
    for (const measure of MEASURES) {
      const [title, explanation] = names[measure].children;
      title.textContent = context.words.measures[measure];
      explanation.textContent = context.words.explanations[measure];
    }
    nameHeight = Math.max(...MEASURES.map((measure) => names[measure].offsetHeight));
    columns.layout(store.trace.units, context.width - namesWidth - 8, height(), { min: 13, max: 44 });
    gutter.style.height = `${height()}px`;
    MEASURES.forEach((measure, k) => {
      names[measure].style.top = `${top(k) + BAR_HEIGHT / 2}px`;
      maxLabels[k].style.top = `${top(k)}px`;
    });
    columns.element.setAttribute("aria-label", context.words.label);
    laidOut = true;
  }

  function paint(pen, first, last) {
    if (!laidOut || !store.trace) return;
    const { theme, palette } = context;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.font = `${Math.min(18, Math.max(12, columns.cell - 2))}px ${theme.code}, ${theme.font}`;
    pen.fillStyle = theme.text;
    for (let k = first; k < last; k++) pen.fillText(unrolled.displayToken(store.trace.options.source[k]), columns.x(k) + columns.cell / 2, TOKEN / 2, columns.cell);
    MEASURES.forEach((measure, index) => {
      const row = values(measure);
      const { factor, zero, high } = scale(measure, row);
      maxLabels[index].textContent = Number.isInteger(high) ? high : unrolled.formatNumber(high, 2);
      for (let k = first; k < last; k++) {
        const at = row[k] * factor;
        pen.fillStyle = measure === "attention_weight" ? palette.quantity.attention_weight : row[k] < 0 ? palette.signed[40] : palette.signed[215];
        pen.fillRect(columns.x(k) + columns.cell * 0.14, top(index) + zero - Math.max(at, 0), columns.cell * 0.72, Math.max(Math.abs(at), 0.5));
      }
      pen.globalAlpha = 0.3;
      pen.fillStyle = theme.text;
      pen.fillRect(columns.x(first), top(index) + zero, columns.x(last) - columns.x(first), 1);
      pen.globalAlpha = 1;
    });
    const chosen = selection.source(store);
    pen.strokeStyle = theme.accent;
    pen.lineWidth = 1.5;
    pen.setLineDash(selection.pinned(store) === null ? [4, 3] : []);
    pen.beginPath();
    pen.roundRect(columns.x(chosen), 2, columns.cell, height() - 4, 5);
    pen.stroke();
    pen.setLineDash([]);
  }

  context.on(columns.element, "pointermove", (event) => {
    const { column } = store.trace ? columns.at(event) : { column: -1 };
    if (column < 0) return unrolled.tooltip(null);
    unrolled.tooltip([
      unrolled.fillTemplate(context.words.source_at, { n: column + 1, token: unrolled.displayToken(store.trace.options.source[column]) }),
      ...MEASURES.map((measure) => `${context.words.measures[measure]}: ${unrolled.formatNumber(values(measure)[column])}`),
    ], event.clientX, event.clientY, root);
  });
  context.on(columns.element, "pointerleave", () => unrolled.tooltip(null));
  context.on(columns.element, "click", (event) => {
    const { column } = store.trace ? columns.at(event) : { column: -1 };
    if (column >= 0) selection.pin(store, column);
  });

  const known = (value) => (value === value ? value : null); // the agreement of equal contributions is not defined

  function fill() {
    soon = 0;
    const { trace, step } = store;
    if (!trace) return;
    mirror.setAttribute("aria-label", context.words.label);
    mirror.replaceChildren(...MEASURES.slice(1).flatMap((measure) => Array.from(values(measure), (value, k) => unrolled.element("span", {
      role: "listitem", "data-quantity": measure, "data-layer": trace.layer, "data-step": step, "data-source": k, "data-value": String(value),
      text: `${unrolled.displayToken(trace.options.source[k])}: ${unrolled.formatNumber(value)}`,
    }))));
  }

  const unpin = selection.subscribe(store, () => laidOut && columns.paint());

  return {
    layout,
    frame() {
      const { trace, step } = store;
      columns.paint();
      readout.textContent = unrolled.fillTemplate(context.words.agreement, {
        step: step + 1, token: unrolled.displayToken(trace.tokens[step]), agreement: unrolled.formatNumber(known(trace.arrays.agreement.data[step]), 2),
      });
      Object.assign(readout.dataset, { quantity: "agreement", step, value: String(trace.arrays.agreement.data[step]) });
      if (!soon) soon = setTimeout(fill, 0);
    },
    destroy() {
      clearTimeout(soon);
      unpin();
      unrolled.tooltip(null);
    },
  };
}

unrolled.define("token_contributions", build);
