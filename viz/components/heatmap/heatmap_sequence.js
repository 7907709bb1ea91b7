// The heatmap over all steps: a panel for each gate and state, units down, tokens across.
(unrolled.heatmaps ??= {}).sequence = (context) => {
  const { store } = context;
  const { axisOf, binAt, colourTable, extremeOf, fillImage, pixelsOf, ticks } = unrolled.raster;
  const GAP = 28, LEFT = 38, BOTTOM = 26, MAX_HEIGHT = 260, MAX_CELL = 48;
  const element = unrolled.element("div", { className: "unrolled-panels" });
  let panels = [];
  let ratio = 1;

  // The height in device pixels: a whole number for each unit while they fit, else all of MAX_HEIGHT.
  function heightOf(units) {
    const max = MAX_HEIGHT * ratio;
    return units <= max ? units * Math.max(1, Math.min(Math.floor(max / units), 30 * ratio)) : Math.round(max);
  }

  function panel(name, width) {
    const { trace } = store;
    const { palette, words } = context;
    const field = unrolled.heatmapField(store, name, context.data);
    const { array } = field;
    const scale = trace.scale(name);
    const [steps, units] = array.shape;
    const room = Math.min(width - LEFT, steps * MAX_CELL);
    const x = axisOf(steps, Math.floor(room * ratio));
    const y = axisOf(units, heightOf(units));
    const size = { width: x.edges[x.bins] / ratio, height: y.edges[y.bins] / ratio };

    const dot = unrolled.element("i");
    const quantity = name.split(":").find((part) => palette.quantity[part]); // that of "before:hidden" is "hidden"
    dot.style.background = palette.quantity[quantity];
    const value = unrolled.element("output");
    const colourBar = unrolled.element("i");
    colourBar.style.background = unrolled.gradient(palette[scale.name]);
    const legend = unrolled.element("span", { className: "unrolled-scale unrolled-muted" },
      unrolled.formatNumber(scale.low, 2), colourBar, unrolled.formatNumber(scale.high, 2), ...unrolled.notFiniteLegend(array, palette, words));
    const title = unrolled.element("div", { className: "unrolled-title" },
      unrolled.element("span", {}, dot, words.quantities[name] ?? name), value, legend);
    title.style.maxWidth = `${Math.min(Math.max(LEFT + size.width, 380), width)}px`;
    const canvas = unrolled.element("canvas", { role: "img", "aria-label": words.quantities[name] ?? name });
    const marks = ["column", "row", "token", "unit"].map((mark) => unrolled.element("div", { className: `unrolled-mark-${mark}` }));
    const plot = unrolled.element("div", { className: "unrolled-plot", "data-name": name }, canvas, ...marks);
    const pen = unrolled.sizeCanvas(canvas, LEFT + size.width, size.height + BOTTOM);

    const image = new ImageData(x.edges[x.bins], y.edges[y.bins]);
    fillImage(image, array, scale, colourTable(palette[scale.name], palette.not_finite), x, y);
    pen.putImageData(image, Math.round(LEFT * ratio), 0);
    pen.strokeStyle = context.theme.text;
    pen.globalAlpha = 0.25;
    pen.strokeRect(LEFT - 0.5, 0.5, size.width + 1, size.height - 1);
    pen.globalAlpha = 1;
    return {
      labels: labels(pen, size, x, field),
      name, field, array, scale, x, y, size, canvas, plot, value, title,
      node: unrolled.element("div", {}, title, plot),
      column: marks[0], row: marks[1], token: marks[2], unit: marks[3],
      extreme: extremeOf(array, scale),
    };
  }

  // Label the units, except those that the marker of the chosen unit would partly cover.
  function drawUnitLabels({ canvas, size, y, field }, marked) {
    const { theme } = context;
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, LEFT - 1, size.height + 1);
    const chosen = marked ? field.row(store.unit) : -1;
    const [markerTop, markerBottom] = chosen < 0 ? [NaN, NaN] : pixelsOf(y, chosen);
    pen.fillStyle = theme.text;
    pen.globalAlpha = 0.75;
    pen.font = `13px ${theme.font}`;
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const at of ticks(field.units.length, size.height / 34)) {
      const row = field.row(field.units[at]);
      if (row < 0) continue;
      const [from, to] = pixelsOf(y, row);
      const middle = Math.min(Math.max((from + to) / 2 / ratio, 7), size.height - 6);
      if (!(Math.abs(middle - (markerTop + markerBottom) / 2 / ratio) < 17)) pen.fillText(field.units[at], LEFT - 7, middle);
    }
    pen.globalAlpha = 1;
  }

  // The labels under a panel: its tokens where they fit, else round step numbers. {text, at, half} in CSS pixels.
  function labels(pen, size, x, field) {
    const { trace } = store;
    const { theme } = context;
    const cell = size.width / x.bins;
    pen.font = `13px ${theme.code}, ${theme.font}`;
    const tokens = trace.tokens.map((token) => ({ text: unrolled.displayToken(token), half: pen.measureText(unrolled.displayToken(token)).width / 2 }));
    if (field.whole && x.bins === trace.steps && tokens.every(({ half }) => 2 * half <= cell - 1)) {
      return { font: pen.font, items: tokens.map((token, step) => ({ ...token, at: LEFT + (step + 0.5) * cell })) };
    }
    pen.font = `13px ${theme.font}`;
    const [begin, end] = field.steps;
    const items = ticks(end - begin, size.width / 56, begin + 1).map((index) => {
      const step = begin + index;
      const [from, to] = pixelsOf(x, field.column(step));
      const half = pen.measureText(step + 1).width / 2;
      return { text: step + 1, half, at: LEFT + Math.min((from + to) / 2 / ratio, size.width - half) };
    });
    return { font: pen.font, items };
  }

  // Draw those labels, except those that the marker of the current token would partly cover.
  function drawStepLabels({ canvas, labels: { font, items }, size, x, field }, marked) {
    const pen = canvas.getContext("2d");
    pen.clearRect(0, size.height + 2, LEFT + size.width, BOTTOM);
    pen.fillStyle = context.theme.text;
    pen.globalAlpha = 0.75;
    pen.textAlign = "center";
    pen.textBaseline = "top";
    pen.font = font;
    const column = field.column(store.step);
    const [from, to] = pixelsOf(x, Math.max(column, 0));
    const at = LEFT + (from + to) / 2 / ratio;
    const half = marked && column >= 0 ? pen.measureText(unrolled.displayToken(store.trace.token(store.step))).width / 2 + 8 : -Infinity;
    for (const label of items) {
      if (Math.abs(label.at - at) >= half + label.half) pen.fillText(label.text, label.at, size.height + 6);
    }
    pen.globalAlpha = 1;
  }

  function layout() {
    const { trace } = store;
    ratio = window.devicePixelRatio || 1;
    const names = context.data.quantities?.filter((name) => trace.quantities.includes(name)) ?? trace.quantities;
    const minWidth = Math.min(Math.max(trace.steps * 2.6 + LEFT, 380), 680); // wide enough for the title, too
    const maxColumns = Math.max(1, Math.floor((context.width + GAP) / (minWidth + GAP)));
    let columns = 1;
    for (let n = 1; n <= Math.min(maxColumns, 4); n++) if (names.length % n === 0) columns = n; // no ragged last row
    if (names.length === 4 && context.width < 1300) columns = Math.min(columns, 2);
    const width = Math.floor((context.width - GAP * (columns - 1)) / columns);
    element.style.gridTemplateColumns = `repeat(${columns}, ${width}px)`;
    element.style.columnGap = `${GAP}px`;
    panels = names.map((name) => panel(name, width));
    element.replaceChildren(...panels.map((each) => each.node));
  }

  function frame(changed) {
    const { trace, step, unit } = store;
    const token = unrolled.displayToken(trace.token(step));
    for (const each of panels) {
      const { name, x, y, size, column, row, token: tokenLabel, unit: unitLabel, value, field } = each;
      const shownStep = field.column(step);
      column.hidden = tokenLabel.hidden = shownStep < 0;
      if (changed.has("step")) drawStepLabels(each, true);
      if (changed.has("step") && shownStep >= 0) {
        const [from, to] = pixelsOf(x, shownStep).map((pixel) => pixel / ratio);
        column.style.width = `${Math.max(to - from, 2) + 4}px`;
        column.style.height = `${size.height + 4}px`;
        column.style.transform = `translate(${LEFT + from - 2}px, -2px)`;
        tokenLabel.textContent = token;
        const middle = Math.min((from + to) / 2, size.width - 4 * token.length); // a wide token stays under its panel
        tokenLabel.style.transform = `translate(${LEFT + middle}px, ${size.height + 3}px) translateX(-50%)`;
      }
      if (changed.has("unit")) {
        drawUnitLabels(each, true);
        const shownRow = field.row(unit);
        row.hidden = unitLabel.hidden = shownRow < 0;
        if (shownRow >= 0) {
          const [from, to] = pixelsOf(y, shownRow).map((pixel) => pixel / ratio);
          row.style.width = `${size.width + 4}px`;
          row.style.height = `${Math.max(to - from, 1) + 4}px`;
          row.style.transform = `translate(${LEFT - 2}px, ${from - 2}px)`;
          unitLabel.textContent = unit;
          unitLabel.style.transform = `translate(${LEFT - 5}px, ${(from + to) / 2}px) translate(-100%, -50%)`;
        }
      }
      value.textContent = unrolled.formatNumber(trace.shown(name, step, unit));
    }
  }

  // The extreme value at the pointer's pixel, and how many values share that pixel; null beside the panels.
  function hit(event) {
    const plot = event.target.closest?.(".unrolled-plot");
    const found = plot && panels.find((each) => each.plot === plot);
    if (!found) return null;
    const box = found.canvas.getBoundingClientRect();
    const pixelX = (event.clientX - box.left - LEFT) * ratio;
    const pixelY = (event.clientY - box.top) * ratio;
    const { x, y } = found;
    if (pixelX < 0 || pixelY < 0 || pixelX >= x.edges[x.bins] || pixelY >= y.edges[y.bins]) return null;
    const [column, row] = [binAt(x, pixelX), binAt(y, pixelY)];
    const [s, sEnd, u, uEnd] = [x.from[column], x.from[column + 1], y.from[row], y.from[row + 1]];
    const [extremeColumn, extremeRow] = found.extreme(s, sEnd, u, uEnd);
    return { quantity: found.name, count: (sEnd - s) * (uEnd - u), ...found.field.at(extremeColumn, extremeRow) };
  }

  function png() {
    const { theme, words, palette } = context;
    const titleHeight = 30;
    const columns = element.style.gridTemplateColumns.match(/repeat\((\d+)/)[1] | 0;
    const width = Math.max(260, ...panels.map((each) => each.size.width)) + LEFT + GAP;
    const height = Math.max(...panels.map((each) => each.size.height)) + BOTTOM + titleHeight + 16;
    const { canvas, pen } = unrolled.pngSheet(context, columns * width + GAP, Math.ceil(panels.length / columns) * height + 24, `${words.unit} ${store.unit}`);
    panels.forEach((each, k) => {
      drawStepLabels(each, false);
      drawUnitLabels(each, false);
      const [x, y] = [4 + (k % columns) * width, 16 + Math.floor(k / columns) * height];
      unrolled.pngHeading(pen, x + LEFT, y, Math.max(260, each.size.width), words.quantities[each.name] ?? each.name, each.scale, palette, theme);
      pen.drawImage(each.canvas, x, y + titleHeight, each.size.width + LEFT, each.size.height + BOTTOM);
      drawStepLabels(each, true);
      drawUnitLabels(each, true);
      const column = each.field.column(store.step);
      if (column < 0) return;
      const [from, to] = pixelsOf(each.x, column).map((pixel) => pixel / ratio);
      pen.strokeStyle = theme.accent;
      pen.lineWidth = 2;
      pen.strokeRect(x + LEFT + from - 1, y + titleHeight - 1, Math.max(to - from, 1) + 2, each.size.height + 2);
    });
    return canvas;
  }

  // The window that was dragged over, from an earlier hit (the panels may have been drawn anew since) to a pointer event:
  // {steps, places}, or null.
  function drag(from, up) {
    const to = hit(up);
    if (!from.places || to?.quantity !== from.quantity) return null;
    const span = (ends) => [Math.min(...ends.map((end) => end[0])), Math.max(...ends.map((end) => end[1]))];
    return { steps: span([from.steps, to.steps]), places: span([from.places, to.places]) };
  }

  const blocks = () => panels.some(({ field }) => !field.whole);
  const zooms = () => context.data.zooms && blocks();
  const crowded = () => panels.some(({ x, y, array }) => x.bins < array.shape[0] || y.bins < array.shape[1]);
  return { element, layout, frame, hit, png, crowded, drag, blocks, zooms };
};
