// What each source symbol did for the symbol that is written at this step, told in three ways: its weight, its weight times its value,
// and gradient times input.
function build(context) {
  const { root, store } = context;
  const { attending } = unrolled;
  const TOKEN = 30, TALL = 66, GAP = 22;
  const WAYS = ["attention_weight", "contribution_value", "contribution_gradient"];
  const names = {};
  const gutter = unrolled.element("div", { className: "unrolled-contributions-names" }, ...WAYS.map((way) =>
    (names[way] = unrolled.element("div", {}, unrolled.element("b"), unrolled.element("span", { className: "unrolled-quiet" })))));
  const highest = WAYS.map((_, k) => unrolled.element("i", { className: "unrolled-quiet", style: `top: ${TOKEN + 14 + k * (TALL + GAP)}px` }));
  gutter.append(...highest);
  const columns = unrolled.columns(context, paint);
  columns.element.setAttribute("role", "img");
  const drawing = unrolled.element("div", { className: "unrolled-contributions-drawing" }, gutter, columns.element);
  const agreement = unrolled.element("p", { className: "unrolled-readout", "aria-live": "polite" });
  const mirror = unrolled.element("div", { className: "unrolled-hidden", role: "list" });
  root.append(drawing, agreement, mirror);
  let ready = false, soon = 0;

  const top = (k) => TOKEN + 14 + k * (TALL + GAP);
  const height = top(WAYS.length) - GAP + 6;
  const values = (way) => attending.row(store.trace.arrays[way], store.step);

  // Where 0 lies, and how many pixels one is: of the step, as the three have no unit in common.
  function scale(way, row) {
    let [low, high] = way === "attention_weight" ? [0, 1] : [0, 0];
    for (const value of row) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    const factor = TALL / (high - low || 1);
    return { factor, zero: high * factor, high };
  }

  function layout() {
    columns.layout(store.trace.units, context.width - 228, height, { least: 13, most: 44 });
    gutter.style.height = `${height}px`;
    WAYS.forEach((way, k) => {
      const [title, more] = names[way].children;
      title.textContent = context.words.ways[way];
      more.textContent = context.words.said[way];
      names[way].style.top = `${top(k) + TALL / 2}px`;
    });
    columns.element.setAttribute("aria-label", context.words.label);
    ready = true;
  }

  function paint(pen, first, last) {
    if (!ready || !store.trace) return;
    const { theme, palette } = context;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.font = `${Math.min(18, Math.max(12, columns.cell - 2))}px ${theme.code}, ${theme.font}`;
    pen.fillStyle = theme.text;
    for (let k = first; k < last; k++) pen.fillText(unrolled.token(store.trace.options.source[k]), columns.x(k) + columns.cell / 2, TOKEN / 2, columns.cell);
    WAYS.forEach((way, place) => {
      const row = values(way);
      const { factor, zero, high } = scale(way, row);
      highest[place].textContent = Number.isInteger(high) ? high : unrolled.number(high, 2);
      for (let k = first; k < last; k++) {
        const at = row[k] * factor;
        pen.fillStyle = way === "attention_weight" ? palette.quantity.attention_weight : row[k] < 0 ? palette.signed[40] : palette.signed[215];
        pen.fillRect(columns.x(k) + columns.cell * 0.14, top(place) + zero - Math.max(at, 0), columns.cell * 0.72, Math.max(Math.abs(at), 0.5));
      }
      pen.globalAlpha = 0.3;
      pen.fillStyle = theme.text;
      pen.fillRect(columns.x(first), top(place) + zero, columns.x(last) - columns.x(first), 1);
      pen.globalAlpha = 1;
    });
    const chosen = attending.source(store);
    pen.strokeStyle = theme.accent;
    pen.lineWidth = 1.5;
    pen.setLineDash(attending.pinned(store) === null ? [4, 3] : []);
    pen.beginPath();
    pen.roundRect(columns.x(chosen), 2, columns.cell, height - 4, 5);
    pen.stroke();
    pen.setLineDash([]);
  }

  context.on(columns.element, "pointermove", (event) => {
    const { column } = store.trace ? columns.at(event) : { column: -1 };
    if (column < 0) return unrolled.note(null);
    unrolled.note([
      unrolled.fill(context.words.source_at, { n: column + 1, token: unrolled.token(store.trace.options.source[column]) }),
      ...WAYS.map((way) => `${context.words.ways[way]}: ${unrolled.number(values(way)[column])}`),
    ], event.clientX, event.clientY, root);
  });
  context.on(columns.element, "pointerleave", () => unrolled.note(null));
  context.on(columns.element, "click", (event) => {
    const { column } = store.trace ? columns.at(event) : { column: -1 };
    if (column >= 0) attending.pin(store, column);
  });

  function fill() {
    soon = 0;
    const { trace, step } = store;
    if (!trace) return;
    mirror.setAttribute("aria-label", context.words.label);
    mirror.replaceChildren(...WAYS.slice(1).flatMap((way) => Array.from(values(way), (value, k) => unrolled.element("span", {
      role: "listitem", "data-quantity": way, "data-layer": trace.layer, "data-step": step, "data-source": k, "data-value": String(value),
      text: `${unrolled.token(trace.options.source[k])}: ${unrolled.number(value)}`,
    }))));
  }

  const unpin = attending.subscribe(store, () => ready && columns.paint());

  return {
    layout,
    frame() {
      const { trace, step } = store;
      columns.paint();
      agreement.textContent = unrolled.fill(context.words.agreement, {
        step: step + 1, token: unrolled.token(trace.tokens[step]), agreement: unrolled.number(trace.arrays.agreement.data[step], 2),
      });
      Object.assign(agreement.dataset, { quantity: "agreement", step, value: String(trace.arrays.agreement.data[step]) });
      if (!soon) soon = setTimeout(fill, 0);
    },
    destroy() {
      clearTimeout(soon);
      unpin();
      unrolled.note(null);
    },
  };
}

export default (component) => unrolled.mount(component, build);
