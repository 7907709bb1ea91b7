// A weight matrix: a click chooses an entry, the arrow keys move from it.
function build(context) {
  const { root } = context;
  const MAX_HEIGHT = 380, MIN_NAMED = 11, MAX_CELL = 34; // CSS pixels
  const canvas = unrolled.element("canvas", { tabindex: "0", role: "img" });
  const readout = unrolled.element("div", { className: "unrolled-weight-matrix-readout", "aria-live": "polite" });
  const bounds = [0, 1].map(() => unrolled.element("span")), colourBar = unrolled.element("i");
  const legend = unrolled.element("span", { className: "unrolled-scale unrolled-muted", "aria-hidden": "true" }, bounds[0], colourBar, bounds[1]);
  root.append(canvas, unrolled.element("div", { className: "unrolled-weight-matrix-foot" }, readout, legend));
  let values = null, colourValues = null, parsed = "", box = null; // values: null until the array that they differ from arrives

  const index = (row, column) => row * context.data.columns.length + column;

  function lines(row, column) {
    const { rows, columns } = context.data;
    const text = [unrolled.formatNumber(values[index(row, column)]), unrolled.fillTemplate(context.words.entry, { row: rows[row], column: columns[column] })];
    if (colourValues) text.push(unrolled.fillTemplate(context.words.sensitivity, { value: unrolled.formatNumber(colourValues[index(row, column)]) }));
    return text;
  }

  function pick(row, column) {
    const { rows, columns, picked } = context.data;
    row = Math.min(Math.max(row, 0), rows.length - 1);
    column = Math.min(Math.max(column, 0), columns.length - 1);
    if (row === picked[0] && column === picked[1]) return;
    context.report("picked", { row, column });
  }

  // [row, column] under the pointer, or null.
  function entryAt(event) {
    const area = canvas.getBoundingClientRect();
    const column = Math.floor((event.clientX - area.left - box.left) / box.width);
    const row = Math.floor((event.clientY - area.top - box.top) / box.height);
    return row >= 0 && column >= 0 && row < context.data.rows.length && column < context.data.columns.length ? [row, column] : null;
  }

  // All values: those of the data, or an array that was sent before with the changed ones of the data in their places.
  function read() {
    const { values: text, base, changed } = context.data;
    const next = [base, changed, text, context.data.colour_values].join();
    if (values && next === parsed) return;
    parsed = next;
    const own = unrolled.float32(text), before = base && unrolled.arrays.get(base);
    values = base ? before?.slice() ?? null : own;
    if (base && values) changed.forEach((at, k) => { values[at] = own[k]; });
    colourValues = context.data.colour_values ? unrolled.float32(context.data.colour_values) : null;
  }
  context.on(unrolled.arrays.listeners, "load", () => {
    if (values) return;
    read();
    if (values && context.theme) draw();
  });

  context.on(canvas, "click", (event) => { const entry = box && entryAt(event); if (entry) pick(...entry); });
  context.on(canvas, "pointermove", (event) => {
    const entry = box && entryAt(event);
    unrolled.tooltip(entry && lines(...entry), event.clientX, event.clientY, canvas);
  });
  context.on(canvas, "pointerleave", () => unrolled.tooltip(null));
  context.on(canvas, "keydown", (event) => {
    const move = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!move) return;
    event.preventDefault();
    const [row, column] = context.data.picked;
    pick(row + move[0], column + move[1]);
  });

  function draw() {
    if (!values) return;
    const { rows, columns, picked } = context.data, { theme, palette } = context;
    const left = Math.min(90, 12 + 8 * Math.max(...rows.map((name) => name.length))), top = 20;
    const width = Math.min(MAX_CELL, (context.width - left) / columns.length);
    const height = Math.min(MAX_CELL, MAX_HEIGHT / rows.length);
    box = { left, top, width, height };
    const pen = unrolled.sizeCanvas(canvas, context.width, Math.ceil(top + height * rows.length) + 2);
    const size = (colourValues ?? values).reduce((max, value) => (Number.isFinite(value) ? Math.max(max, Math.abs(value)) : max), 0) || 1;
    const colours = colourValues ? palette.unit : palette.signed;
    // One pixel per entry, scaled up.
    const cells = document.createElement("canvas");
    [cells.width, cells.height] = [columns.length, rows.length];
    const brush = cells.getContext("2d"), image = brush.createImageData(columns.length, rows.length);
    const pixels = new Uint32Array(image.data.buffer), table = unrolled.raster.colourTable(colours, context.palette.not_finite);
    for (let k = 0; k < pixels.length; k++) {
      const share = colourValues ? Math.sqrt(colourValues[k] / size) : (values[k] / size + 1) / 2;
      pixels[k] = table[Number.isFinite(share) ? Math.min(255, Math.max(0, Math.round(255 * share))) : 256];
    }
    brush.putImageData(image, 0, 0);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(cells, left, top, columns.length * width, rows.length * height);
    pen.fillStyle = theme.text;
    pen.font = `12px ${theme.font}`;
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    const everyRow = Math.ceil(14 / height), everyColumn = Math.ceil(Math.max(MIN_NAMED, 9 * Math.max(...columns.map((name) => name.length))) / width);
    rows.forEach((name, row) => { if (row % everyRow === 0) pen.fillText(name, left - 6, top + (row + 0.5) * height); });
    pen.textAlign = "center";
    columns.forEach((name, column) => {
      if (column % everyColumn !== 0) return;
      pen.fillText(name, Math.min(left + (column + 0.5) * width, context.width - pen.measureText(name).width / 2), top / 2);
    });
    bounds[0].textContent = unrolled.formatNumber(colourValues ? 0 : -size, 2);
    bounds[1].textContent = unrolled.formatNumber(size, 2);
    colourBar.style.background = unrolled.gradient(colours);
    const [row, column] = picked;
    pen.strokeStyle = theme.accent;
    pen.lineWidth = 2;
    pen.strokeRect(left + column * width - 1, top + row * height - 1, Math.max(width, 4) + 2, Math.max(height, 4) + 2);
    const text = lines(row, column);
    readout.textContent = text.join(" · ");
    canvas.setAttribute("aria-label", [context.words.title, ...text, context.words.keys].join(". "));
  }

  return {
    update: read,
    layout: draw,
    destroy: () => unrolled.tooltip(null),
  };
}

unrolled.define("weight_matrix", build);
