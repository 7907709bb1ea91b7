// The heatmap at one step: a row for each gate and state, units across; it is painted anew at every step.
(unrolled.heatmaps ??= {}).step = (context) => {
  const { store } = context;
  const { divide, draw, find, inks, picker, place, ticks } = unrolled.raster;
  const ROW = 30, FOOT = 26, SPACE = 4, WIDEST_CELL = 48;
  const names = unrolled.element("div", { className: "unrolled-names" });
  const values = unrolled.element("div", { className: "unrolled-values" });
  const canvas = unrolled.element("canvas", { role: "img" });
  const mark = unrolled.element("div", { className: "unrolled-mark-unit-column" });
  const tag = unrolled.element("div", { className: "unrolled-mark-token" });
  const plot = unrolled.element("div", { className: "unrolled-plot" }, canvas, mark, tag);
  const element = unrolled.element("div", { className: "unrolled-rows" }, names, plot, values);
  let rows = []; // {name, scale, table}
  let axis = null;
  let ratio = 1;
  let image = null;

  const y = { bins: 1, edges: [0, 0], from: [0, 1] };
  const size = () => ({ width: axis.edges[axis.bins] / ratio, height: rows.length * (ROW + SPACE) - SPACE });

  function layout() {
    const { trace } = store;
    const { palette, words } = context;
    ratio = window.devicePixelRatio || 1;
    const shown = context.data.quantities?.filter((name) => trace.quantities.includes(name)) ?? trace.quantities;
    rows = shown.map((name) => ({ name, scale: trace.scale(name), table: inks(palette[trace.scale(name).name]) }));
    names.replaceChildren(...shown.map((name) => {
      const dot = unrolled.element("i");
      dot.style.background = palette.quantity[name];
      return unrolled.element("span", {}, dot, words.quantities[name] ?? name);
    }));
    values.replaceChildren(...shown.map(() => unrolled.element("output")));
    const room = Math.min(context.width - names.offsetWidth - values.offsetWidth - 24, trace.units * WIDEST_CELL);
    let wide = Math.max(40, Math.floor(room * ratio));
    if (trace.units <= wide) wide -= wide % trace.units; // as many whole pixels for each unit
    axis = divide(trace.units, wide);
    const { width, height } = size();
    unrolled.size(canvas, width, height + FOOT);
    canvas.setAttribute("aria-label", shown.map((name) => words.quantities[name] ?? name).join(", "));
    y.edges[1] = Math.round(ROW * ratio);
    image = new ImageData(axis.edges[axis.bins], y.edges[1]);
  }

  // Write the units under the rows, but for those that the mark of the chosen one would half cover.
  function foot() {
    const { theme } = context;
    const { width, height } = size();
    const pen = canvas.getContext("2d");
    const middle = (unit) => { const [from, to] = place(axis, unit); return (from + to) / 2 / ratio; };
    pen.clearRect(0, height + 1, width, FOOT);
    pen.fillStyle = theme.text;
    pen.globalAlpha = 0.75;
    pen.font = `13px ${theme.font}`;
    pen.textAlign = "center";
    pen.textBaseline = "top";
    const chosen = pen.measureText(store.unit).width / 2 + 10;
    for (const unit of ticks(store.trace.units, width / 44)) {
      const half = pen.measureText(unit).width / 2;
      if (unit !== store.unit && Math.abs(middle(unit) - middle(store.unit)) < chosen + half) continue;
      pen.fillText(unit, Math.min(Math.max(middle(unit), 5), width - half), height + 6);
    }
    pen.globalAlpha = 1;
  }

  // One step of a quantity as an array (steps = units of the axis, 1): the axis across the rows is that of the units.
  const slice = (name, step) => {
    const { units } = store.trace;
    const data = new Float32Array(units).fill(NaN);
    data.set(store.trace.row(name, step));
    return { shape: [units, 1], data };
  };

  function frame(changed) {
    const { trace, step, unit } = store;
    const { width, height } = size();
    const pen = canvas.getContext("2d");
    rows.forEach(({ name, scale, table }, k) => {
      if (changed.has("step") || changed.has("trace")) {
        new Uint32Array(image.data.buffer).fill(0);
        draw(image, slice(name, step), scale, table, axis, y);
        pen.putImageData(image, 0, Math.round(k * (ROW + SPACE) * ratio));
      }
      values.children[k].textContent = unrolled.number(trace.value(name, step, unit));
    });
    if (changed.has("unit")) {
      foot();
      const [from, to] = place(axis, unit).map((pixel) => pixel / ratio);
      mark.style.width = `${Math.max(to - from, 1) + 6}px`;
      mark.style.height = `${height + 6}px`;
      mark.style.transform = `translate(${from - 3}px, -3px)`;
      tag.textContent = unit;
      tag.style.transform = `translate(${Math.min(Math.max((from + to) / 2, 12), width - 12)}px, ${height + 4}px) translateX(-50%)`;
    }
  }

  function hit(event) {
    if (!event.target.closest?.(".unrolled-plot") || !axis || !store.trace.here(store.step)) return null;
    const box = canvas.getBoundingClientRect();
    const px = (event.clientX - box.left) * ratio;
    const k = Math.floor((event.clientY - box.top) / (ROW + SPACE));
    if (px < 0 || px >= axis.edges[axis.bins] || !rows[k]) return null;
    const { name, scale } = rows[k];
    const bin = find(axis, px);
    const [from, to] = [axis.from[bin], axis.from[bin + 1]];
    const [unit] = picker(slice(name, store.step), scale)(from, to, 0, 1);
    return { quantity: name, step: store.step, unit, count: to - from };
  }

  function picture() {
    const { theme, words, palette } = context;
    const { width, height } = size();
    const left = names.offsetWidth + 12;
    const { canvas: sheet, pen } = unrolled.sheet(context, Math.max(left + width + 200, 480), height + FOOT + 32, `${words.unit} ${store.unit}`);
    pen.drawImage(canvas, left + 16, 16, width, height + FOOT);
    rows.forEach(({ name, scale }, k) => {
      const at = 16 + k * (ROW + SPACE);
      pen.font = `15px ${theme.font}`;
      pen.textBaseline = "middle";
      pen.textAlign = "left";
      pen.fillStyle = theme.text;
      pen.fillText(words.quantities[name] ?? name, 16, at + ROW / 2);
      unrolled.bar(pen, left + 16 + width + 16, at + ROW / 2, scale, palette, theme);
    });
    return sheet;
  }

  return { element, layout, frame, exact: true, hit, picture, crowded: () => axis && axis.bins < store.trace.units };
};
