// The heatmap of one step: a row for each gate and state, units across; it is painted anew at every step.
(unrolled.heatmaps ??= {}).step = (context) => {
  const { store } = context;
  const { axisOf, binAt, colourTable, extremeOf, fillImage, pixelsOf, ticks } = unrolled.raster;
  const ROW = 30, BOTTOM = 26, ROW_GAP = 4, MAX_CELL = 48;
  const names = unrolled.element("div", { className: "unrolled-names" });
  const values = unrolled.element("div", { className: "unrolled-values" });
  const canvas = unrolled.element("canvas", { role: "img" });
  const marker = unrolled.element("div", { className: "unrolled-mark-unit-column" });
  const label = unrolled.element("div", { className: "unrolled-mark-token" });
  const plot = unrolled.element("div", { className: "unrolled-plot" }, canvas, marker, label);
  const element = unrolled.element("div", { className: "unrolled-rows" }, names, plot, values);
  let rows = []; // {name, scale, table}
  let axis = null;
  let ratio = 1;
  let image = null;

  const y = { bins: 1, edges: [0, 0], from: [0, 1] };
  const size = () => ({ width: axis.edges[axis.bins] / ratio, height: rows.length * (ROW + ROW_GAP) - ROW_GAP });

  function layout() {
    const { trace } = store;
    const { palette, words } = context;
    ratio = window.devicePixelRatio || 1;
    const shown = context.data.quantities?.filter((name) => trace.quantities.includes(name)) ?? trace.quantities;
    rows = shown.map((name) => ({ name, scale: trace.scale(name), table: colourTable(palette[trace.scale(name).name], palette.not_finite) }));
    names.replaceChildren(...shown.map((name) => {
      const dot = unrolled.element("i");
      dot.style.background = palette.quantity[name];
      return unrolled.element("span", {}, dot, words.quantities[name] ?? name);
    }));
    values.replaceChildren(...shown.map(() => unrolled.element("output")));
    const room = Math.min(context.width - names.offsetWidth - values.offsetWidth - 24, trace.units * MAX_CELL);
    let pixels = Math.max(40, Math.floor(room * ratio));
    if (trace.units <= pixels) pixels -= pixels % trace.units; // a whole number of pixels for each unit
    axis = axisOf(trace.units, pixels);
    const { width, height } = size();
    unrolled.sizeCanvas(canvas, width, height + BOTTOM);
    canvas.setAttribute("aria-label", shown.map((name) => words.quantities[name] ?? name).join(", "));
    y.edges[1] = Math.round(ROW * ratio);
    image = new ImageData(axis.edges[axis.bins], y.edges[1]);
  }

  // Label the units under the rows, except those that the marker of the chosen unit would partly cover.
  function drawLabels() {
    const { theme } = context;
    const { width, height } = size();
    const pen = canvas.getContext("2d");
    const middle = (unit) => { const [from, to] = pixelsOf(axis, unit); return (from + to) / 2 / ratio; };
    pen.clearRect(0, height + 1, width, BOTTOM);
    pen.fillStyle = theme.text;
    pen.globalAlpha = 0.75;
    pen.font = `13px ${theme.font}`;
    pen.textAlign = "center";
    pen.textBaseline = "top";
    const markerHalf = pen.measureText(store.unit).width / 2 + 10;
    for (const unit of ticks(store.trace.units, width / 44)) {
      const half = pen.measureText(unit).width / 2;
      if (unit !== store.unit && Math.abs(middle(unit) - middle(store.unit)) < markerHalf + half) continue;
      pen.fillText(unit, Math.min(Math.max(middle(unit), 5), width - half), height + 6);
    }
    pen.globalAlpha = 1;
  }

  // A quantity at one step as an array (units, 1): the units take the place of the steps on the horizontal axis.
  const unitsAt = (name, step) => {
    const { units } = store.trace;
    const data = new Float32Array(units).fill(NaN);
    const row = store.trace.row(name, step);
    data.set(row);
    return { shape: [units, 1], data, missing: (unit) => unit >= row.length };
  };

  function frame(changed) {
    const { trace, step, unit } = store;
    const { width, height } = size();
    const pen = canvas.getContext("2d");
    rows.forEach(({ name, scale, table }, k) => {
      if (changed.has("step") || changed.has("trace")) {
        new Uint32Array(image.data.buffer).fill(0);
        fillImage(image, unitsAt(name, step), scale, table, axis, y);
        pen.putImageData(image, 0, Math.round(k * (ROW + ROW_GAP) * ratio));
      }
      values.children[k].textContent = unrolled.formatNumber(trace.shown(name, step, unit));
    });
    if (changed.has("unit")) {
      drawLabels();
      const [from, to] = pixelsOf(axis, unit).map((pixel) => pixel / ratio);
      marker.style.width = `${Math.max(to - from, 1) + 6}px`;
      marker.style.height = `${height + 6}px`;
      marker.style.transform = `translate(${from - 3}px, -3px)`;
      label.textContent = unit;
      label.style.transform = `translate(${Math.min(Math.max((from + to) / 2, 12), width - 12)}px, ${height + 4}px) translateX(-50%)`;
    }
  }

  function hit(event) {
    if (!event.target.closest?.(".unrolled-plot") || !axis || !store.trace.hasStep(store.step)) return null;
    const box = canvas.getBoundingClientRect();
    const pixel = (event.clientX - box.left) * ratio;
    const k = Math.floor((event.clientY - box.top) / (ROW + ROW_GAP));
    if (pixel < 0 || pixel >= axis.edges[axis.bins] || !rows[k]) return null;
    const { name, scale } = rows[k];
    const bin = binAt(axis, pixel);
    const [from, to] = [axis.from[bin], axis.from[bin + 1]];
    const [unit] = extremeOf(unitsAt(name, store.step), scale)(from, to, 0, 1);
    return { quantity: name, step: store.step, unit, count: to - from };
  }

  function png() {
    const { theme, words, palette } = context;
    const { width, height } = size();
    const left = names.offsetWidth + 12;
    const { canvas: sheet, pen } = unrolled.pngSheet(context, Math.max(left + width + 200, 480), height + BOTTOM + 32, `${words.unit} ${store.unit}`);
    pen.drawImage(canvas, left + 16, 16, width, height + BOTTOM);
    rows.forEach(({ name, scale }, k) => {
      const y = 16 + k * (ROW + ROW_GAP);
      pen.font = `15px ${theme.font}`;
      pen.textBaseline = "middle";
      pen.textAlign = "left";
      pen.fillStyle = theme.text;
      pen.fillText(words.quantities[name] ?? name, 16, y + ROW / 2);
      unrolled.pngColourBar(pen, left + 16 + width + 16, y + ROW / 2, scale, palette, theme);
    });
    return sheet;
  }

  return { element, layout, frame, needsStep: true, hit, png, crowded: () => axis && axis.bins < store.trace.units };
};
