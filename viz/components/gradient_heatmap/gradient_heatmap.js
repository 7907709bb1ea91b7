// The heatmap of gradient norms on a log scale, a row for each loss, a column for each state; beside it the chosen pair.
function build(context) {
  const { root, store } = context;
  const { axisOf, binAt, colourTable, pixelsOf, ticks } = unrolled.raster;
  const LEFT = 64, BOTTOM = 44, MAX_DECADES = 8, COLOURS = 256, MIN_SIZE = 170; // pixels of the map
  const canvas = unrolled.element("canvas", { role: "img" });
  const marker = unrolled.element("div", { className: "unrolled-mark-column" });
  const plot = unrolled.element("div", { className: "unrolled-plot" }, canvas, marker);
  const area = unrolled.element("div", { className: "unrolled-area", tabindex: 0, role: "group" }, plot);
  const legend = unrolled.element("div", { className: "unrolled-legend unrolled-muted" });
  const explain = unrolled.element("span", { className: "unrolled-muted" });
  const save = unrolled.element("button", { type: "button", className: "unrolled-save" });
  const pair = unrolled.gradientPair(context);
  const left = unrolled.element("div", { className: "unrolled-gradient-heatmap-main" }, legend, area, unrolled.element("div", { className: "unrolled-foot" }, explain, save));
  root.append(left, pair.element);

  let ratio = 1, x, y, size, scale;

  function range() {
    const { data } = store.trace.arrays.hidden;
    let [low, high] = [Infinity, 0];
    for (let k = 0; k < data.length; k++) {
      const value = data[k];
      if (value > 0 && value < Infinity) { if (value > high) high = value; if (value < low) low = value; }
    }
    if (!high) [low, high] = [0.1, 1];
    const top = Math.log10(high);
    return { high: top, low: Math.min(Math.max(Math.log10(low), top - MAX_DECADES), top - 1) };
  }

  // The [step, row] of the largest of the norms that share a pixel; the first that is not finite, where there is one.
  function largestAt(column, row) {
    const { shape: [, rows], data } = store.trace.arrays.hidden;
    let found = [x.from[column], y.from[row]], max = -1;
    for (let k = x.from[column]; k < x.from[column + 1]; k++) {
      for (let r = y.from[row]; r < y.from[row + 1]; r++) {
        const value = data[k * rows + r];
        if (value !== value || value === Infinity) return [k, r];
        if (value > max) { max = value; found = [k, r]; }
      }
    }
    return found;
  }

  function paint(pen) {
    const table = colourTable(context.palette.unit, context.palette.not_finite);
    const image = new ImageData(x.edges[x.bins], y.edges[y.bins]);
    const pixels = new Uint32Array(image.data.buffer);
    const gap = x.edges[1] - x.edges[0] >= 9 ? 1 : 0;
    for (let row = 0; row < y.bins; row++) {
      for (let column = 0; column < x.bins; column++) {
        const value = store.trace.value("hidden", ...largestAt(column, row));
        if (value === 0) continue;
        const level = Math.round(((Math.log10(value) - scale.low) / (scale.high - scale.low)) * 255);
        const pixel = Number.isFinite(value) ? table[Math.min(Math.max(level, 0), COLOURS - 1)] : table[COLOURS];
        for (let line = y.edges[row]; line < y.edges[row + 1] - gap; line++) {
          pixels.fill(pixel, line * image.width + x.edges[column], line * image.width + x.edges[column + 1] - gap);
        }
      }
    }
    // No path from a state to a loss: hatched, so that it does not look like a small norm.
    const sheet = document.createElement("canvas");
    [sheet.width, sheet.height] = [image.width, image.height];
    sheet.getContext("2d").putImageData(image, 0, 0);
    pen.save();
    pen.beginPath();
    pen.rect(LEFT, 0, size.width, size.height);
    pen.clip();
    pen.globalAlpha = 0.16;
    pen.strokeStyle = context.theme.text;
    pen.beginPath();
    for (let at = -size.height; at < size.width; at += 9) {
      pen.moveTo(LEFT + at, size.height);
      pen.lineTo(LEFT + at + size.height, 0);
    }
    pen.stroke();
    pen.restore();
    clearCells(pen);
    pen.drawImage(sheet, LEFT, 0, size.width, size.height);
  }

  // Clear the hatching in every cell that has a norm.
  function clearCells(pen) {
    pen.fillStyle = context.theme.background;
    for (let row = 0; row < y.bins; row++) {
      let from = null;
      for (let column = 0; column <= x.bins; column++) {
        const reached = column < x.bins && store.trace.value("hidden", ...largestAt(column, row)) !== 0;
        if (reached && from === null) from = column;
        if (!reached && from !== null) {
          pen.fillRect(LEFT + x.edges[from] / ratio, y.edges[row] / ratio, (x.edges[column] - x.edges[from]) / ratio, (y.edges[row + 1] - y.edges[row]) / ratio);
          from = null;
        }
      }
    }
  }

  function axes(pen) {
    const { trace } = store;
    const { theme, words } = context;
    pen.fillStyle = theme.text;
    pen.strokeStyle = theme.text;
    pen.globalAlpha = 0.25;
    pen.strokeRect(LEFT - 0.5, 0.5, size.width + 1, size.height - 1);
    pen.globalAlpha = 0.8;
    pen.font = `13px ${theme.font}`;
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    const rows = trace.options.rows;
    for (const r of ticks(rows.length, size.height / 34, 1)) {
      const [from, to] = pixelsOf(y, r);
      pen.fillText(rows[r] + 1, LEFT - 7, Math.min(Math.max((from + to) / 2 / ratio, 7), size.height - 7));
    }
    pen.textAlign = "center";
    pen.textBaseline = "top";
    for (const k of ticks(trace.steps, size.width / 48, 1)) {
      const [from, to] = pixelsOf(x, k);
      pen.fillText(k + 1, LEFT + (from + to) / 2 / ratio, size.height + 6);
    }
    pen.fillText(words.across, LEFT + size.width / 2, size.height + 25);
    pen.save();
    pen.translate(14, size.height / 2);
    pen.rotate(-Math.PI / 2);
    pen.textBaseline = "middle";
    pen.fillText(words.down, 0, 0);
    pen.restore();
    pen.globalAlpha = 1;
  }

  // 10 to this power.
  function power(value) {
    const node = unrolled.element("span", { text: "10" });
    node.append(unrolled.element("sup", { text: String(value).replace("-", "−") }));
    return node;
  }

  function drawLegend() {
    const { low, high } = scale;
    const colourBar = unrolled.element("i");
    colourBar.style.background = unrolled.gradient(context.palette.unit);
    const [from, to] = [low, high].map((each) => power(Number(each.toFixed(1))));
    legend.replaceChildren(from, colourBar, to, ...unrolled.notFiniteLegend(store.trace.arrays.hidden, context.palette, context.words));
  }

  function layout() {
    const { trace } = store;
    const { words } = context;
    ratio = window.devicePixelRatio || 1;
    const wide = context.width >= 760;
    root.dataset.form = wide ? "wide" : "narrow";
    const maxWidth = Math.min(wide ? context.width * 0.56 : context.width, 720) - LEFT;
    const rows = trace.options.rows.length;
    scale = range();
    // A whole number of pixels for each step while they fit, so that the cells are squares; of few steps large ones, so that the
    // titles of the axes fit beside them.
    const largest = Math.max(34, Math.ceil(MIN_SIZE / trace.steps)) * ratio;
    const cellSize = Math.max(1, Math.min(Math.floor((maxWidth * ratio) / trace.steps), largest));
    x = axisOf(trace.steps, Math.floor(Math.min(maxWidth * ratio, trace.steps * cellSize)));
    y = axisOf(rows, rows === trace.steps ? x.edges[x.bins] : Math.floor(Math.min(maxWidth * 0.8 * ratio, rows * Math.max(cellSize, 3 * ratio))));
    size = { width: x.edges[x.bins] / ratio, height: y.edges[y.bins] / ratio };
    const pen = unrolled.sizeCanvas(canvas, LEFT + size.width + 8, size.height + BOTTOM);
    paint(pen);
    axes(pen);
    drawLegend();
    canvas.setAttribute("aria-label", words.keys);
    explain.textContent = rows === trace.steps ? words.explain : `${words.explain} ${unrolled.fillTemplate(words.thinned, { shown: rows, steps: trace.steps })}`;
  }

  function frame() {
    const [left, right] = pixelsOf(x, store.step).map((pixel) => pixel / ratio);
    const [top, bottom] = pixelsOf(y, store.unit).map((pixel) => pixel / ratio);
    marker.style.width = `${Math.max(right - left, 3) + 4}px`;
    marker.style.height = `${Math.max(bottom - top, 3) + 4}px`;
    marker.style.transform = `translate(${LEFT + left - 2}px, ${top - 2}px)`;
    pair.frame();
  }

  // The pair {step, unit} under the pointer, or null.
  function pairAt(event) {
    const box = canvas.getBoundingClientRect();
    const [pixelX, pixelY] = [(event.clientX - box.left - LEFT) * ratio, (event.clientY - box.top) * ratio];
    if (!x || pixelX < 0 || pixelY < 0 || pixelX >= x.edges[x.bins] || pixelY >= y.edges[y.bins]) return null;
    const [step, unit] = largestAt(binAt(x, pixelX), binAt(y, pixelY));
    return { step, unit };
  }

  context.on(plot, "pointermove", (event) => {
    const at = store.trace ? pairAt(event) : null;
    if (!at) return unrolled.tooltip(null);
    if (event.buttons & 1) store.set(at);
    const { words } = context;
    const { trace } = store;
    const t = trace.options.rows[at.unit];
    unrolled.tooltip([
      unrolled.formatNumber(trace.value("hidden", at.step, at.unit), 3),
      unrolled.fillTemplate(words.loss_at, { step: t + 1, token: unrolled.displayToken(trace.tokens[t]) }),
      unrolled.fillTemplate(words.state_at, { step: at.step + 1, token: unrolled.displayToken(trace.tokens[at.step]) }),
    ], event.clientX, event.clientY, root);
  });
  context.on(plot, "pointerleave", () => unrolled.tooltip(null));
  context.on(plot, "pointerdown", (event) => {
    const at = store.trace && event.button === 0 ? pairAt(event) : null;
    if (at) store.set(at);
  });
  context.on(area, "keydown", (event) => {
    const { step, unit } = store;
    const moves = { ArrowLeft: { step: step - 1 }, ArrowRight: { step: step + 1 }, ArrowUp: { unit: unit - 1 }, ArrowDown: { unit: unit + 1 } };
    if (!store.trace || event.ctrlKey || event.metaKey || event.altKey || !moves[event.key]) return;
    event.preventDefault();
    store.set(moves[event.key]);
  });
  context.on(save, "click", () => {
    if (!store.trace) return;
    const sheet = document.createElement("canvas");
    const pen = unrolled.sizeCanvas(sheet, LEFT + size.width + 24, size.height + BOTTOM + 8);
    pen.fillStyle = context.theme.background;
    pen.fillRect(0, 0, LEFT + size.width + 24, size.height + BOTTOM + 8);
    pen.drawImage(canvas, 8, 8, LEFT + size.width + 8, size.height + BOTTOM);
    unrolled.savePng(sheet, `${store.trace.layer}-gradients`);
  });

  return {
    relabel() {
      save.textContent = context.words.save;
      area.setAttribute("aria-label", context.words.keys);
    },
    update() { store.follow(context.data.view); },
    layout,
    frame,
    destroy: () => unrolled.tooltip(null),
  };
}

unrolled.define("gradient_heatmap", build);
