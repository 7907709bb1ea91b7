// The heatmap over all steps: a panel for each gate and state, units down, tokens across.
(unrolled.heatmaps ??= {}).sequence = (context) => {
  const { store } = context;
  const { divide, draw, find, inks, picker, place, ticks } = unrolled.raster;
  const GAP = 28, GUTTER = 38, FOOT = 26, TALL = 260, WIDEST_CELL = 48;
  const element = unrolled.element("div", { className: "unrolled-panels" });
  let panels = [];
  let ratio = 1;

  function tallness(units) {
    // A whole number of pixels for each unit while they fit, else the strongest of several.
    const most = TALL * ratio;
    return units <= most ? units * Math.max(1, Math.min(Math.floor(most / units), 30 * ratio)) : Math.round(most);
  }

  function panel(name, width) {
    const { trace } = store;
    const { palette, words } = context;
    const field = unrolled.field(store, name, context.data);
    const { array } = field;
    const scale = trace.scale(name);
    const [steps, units] = array.shape;
    const room = Math.min(width - GUTTER, steps * WIDEST_CELL);
    const x = divide(steps, Math.floor(room * ratio));
    const y = divide(units, tallness(units));
    const size = { width: x.edges[x.bins] / ratio, height: y.edges[y.bins] / ratio };

    const dot = unrolled.element("i");
    const known = name.split(":").find((part) => palette.quantity[part]); // also of "before:hidden"
    dot.style.background = palette.quantity[known];
    const value = unrolled.element("output");
    const ramp = unrolled.element("i");
    ramp.style.background = `linear-gradient(to right, ${palette[scale.name].filter((_, k) => k % 15 === 0).join(",")})`;
    const legend = unrolled.element("span", { className: "unrolled-scale unrolled-quiet" },
      unrolled.number(scale.low, 2), ramp, unrolled.number(scale.high, 2));
    const title = unrolled.element("div", { className: "unrolled-title" },
      unrolled.element("span", {}, dot, words.quantities[name] ?? name), value, legend);
    title.style.maxWidth = `${Math.min(Math.max(GUTTER + size.width, 380), width)}px`;
    const canvas = unrolled.element("canvas", { role: "img", "aria-label": words.quantities[name] ?? name });
    const marks = ["column", "row", "token", "unit"].map((mark) => unrolled.element("div", { className: `unrolled-mark-${mark}` }));
    const plot = unrolled.element("div", { className: "unrolled-plot", "data-name": name }, canvas, ...marks);
    const pen = unrolled.size(canvas, GUTTER + size.width, size.height + FOOT);

    const image = new ImageData(x.edges[x.bins], y.edges[y.bins]);
    draw(image, array, scale, inks(palette[scale.name]), x, y);
    pen.putImageData(image, Math.round(GUTTER * ratio), 0);
    pen.strokeStyle = context.theme.text;
    pen.globalAlpha = 0.25;
    pen.strokeRect(GUTTER - 0.5, 0.5, size.width + 1, size.height - 1);
    pen.globalAlpha = 1;
    return {
      labels: labels(pen, size, x, field),
      name, field, array, scale, x, y, size, canvas, plot, value, title,
      node: unrolled.element("div", {}, title, plot),
      column: marks[0], row: marks[1], token: marks[2], unit: marks[3],
      pick: picker(array, scale),
    };
  }

  // Write the units, but for those that the mark of the chosen one would half cover.
  function side({ canvas, size, y, field }, marked) {
    const { theme } = context;
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, GUTTER - 1, size.height + 1);
    const chosen = marked ? field.row(store.unit) : -1;
    const [above, below] = chosen < 0 ? [NaN, NaN] : place(y, chosen);
    pen.fillStyle = theme.text;
    pen.globalAlpha = 0.75;
    pen.font = `13px ${theme.font}`;
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const at of ticks(field.units.length, size.height / 34)) {
      const row = field.row(field.units[at]);
      if (row < 0) continue;
      const [from, to] = place(y, row);
      const middle = Math.min(Math.max((from + to) / 2 / ratio, 7), size.height - 6);
      if (!(Math.abs(middle - (above + below) / 2 / ratio) < 17)) pen.fillText(field.units[at], GUTTER - 7, middle);
    }
    pen.globalAlpha = 1;
  }

  // What an edit holds in the place of what the cell computes.
  function outline(pen, size, { name, x, y, field }) {
    for (const { quantity, unit, steps } of store.trace.options?.held ?? []) {
      const [first, last] = steps.map(field.column), row = unit === null ? 0 : field.row(unit);
      if (quantity !== name || first < 0 || last < 0 || row < 0) continue;
      const [left, right] = [place(x, first)[0], place(x, last)[1]].map((pixel) => GUTTER + pixel / ratio);
      const [top, bottom] = (unit === null ? [0, size.height * ratio] : place(y, row)).map((pixel) => pixel / ratio);
      for (const [width, colour] of [[4, context.theme.background], [2, context.theme.text]]) {
        pen.lineWidth = width;
        pen.strokeStyle = colour;
        pen.strokeRect(left, top, Math.max(right - left, 2), Math.max(bottom - top, 2));
      }
    }
    pen.lineWidth = 1;
  }

  // What stands under a panel: its tokens where they fit, else round step numbers. {text, at, half} in CSS pixels.
  function labels(pen, size, x, field) {
    const { trace } = store;
    const { theme } = context;
    const cell = size.width / x.bins;
    pen.font = `13px ${theme.code}, ${theme.font}`;
    const tokens = trace.tokens.map((token) => ({ text: unrolled.token(token), half: pen.measureText(unrolled.token(token)).width / 2 }));
    if (field.whole && x.bins === trace.steps && tokens.every(({ half }) => 2 * half <= cell - 1)) {
      return { font: pen.font, items: tokens.map((token, step) => ({ ...token, at: GUTTER + (step + 0.5) * cell })) };
    }
    pen.font = `13px ${theme.font}`;
    const [begin, end] = field.steps;
    const items = ticks(end - begin, size.width / 56, begin + 1).map((past) => {
      const step = begin + past;
      const [from, to] = place(x, field.column(step));
      const half = pen.measureText(step + 1).width / 2;
      return { text: step + 1, half, at: GUTTER + Math.min((from + to) / 2 / ratio, size.width - half) };
    });
    return { font: pen.font, items };
  }

  // Write them, but for those that the mark of the current token would half cover.
  function foot({ canvas, labels: { font, items }, size, x, field }, marked) {
    const pen = canvas.getContext("2d");
    pen.clearRect(0, size.height + 2, GUTTER + size.width, FOOT);
    pen.fillStyle = context.theme.text;
    pen.globalAlpha = 0.75;
    pen.textAlign = "center";
    pen.textBaseline = "top";
    pen.font = font;
    const column = field.column(store.step);
    const [from, to] = place(x, Math.max(column, 0));
    const at = GUTTER + (from + to) / 2 / ratio;
    const half = marked && column >= 0 ? pen.measureText(unrolled.token(store.trace.token(store.step))).width / 2 + 8 : -Infinity;
    for (const label of items) {
      if (Math.abs(label.at - at) >= half + label.half) pen.fillText(label.text, label.at, size.height + 6);
    }
    pen.globalAlpha = 1;
  }

  function layout() {
    const { trace } = store;
    ratio = window.devicePixelRatio || 1;
    const names = context.data.quantities?.filter((name) => trace.quantities.includes(name)) ?? trace.quantities;
    const least = Math.min(Math.max(trace.steps * 2.6 + GUTTER, 380), 680); // the title, too, needs its room
    const fit = Math.max(1, Math.floor((context.width + GAP) / (least + GAP)));
    let columns = 1;
    for (let n = 1; n <= Math.min(fit, 4); n++) if (names.length % n === 0) columns = n; // no ragged last row
    if (names.length === 4 && context.width < 1300) columns = Math.min(columns, 2);
    const width = Math.floor((context.width - GAP * (columns - 1)) / columns);
    element.style.gridTemplateColumns = `repeat(${columns}, ${width}px)`;
    element.style.columnGap = `${GAP}px`;
    panels = names.map((name) => panel(name, width));
    element.replaceChildren(...panels.map((each) => each.node));
  }

  function frame(changed) {
    const { trace, step, unit } = store;
    const token = unrolled.token(trace.token(step));
    for (const each of panels) {
      const { name, x, y, size, column, row, token: tag, unit: number, value, field } = each;
      const shownStep = field.column(step);
      column.hidden = tag.hidden = shownStep < 0;
      if (changed.has("step")) foot(each, true);
      if (changed.has("step") && shownStep >= 0) {
        const [from, to] = place(x, shownStep).map((pixel) => pixel / ratio);
        const wide = Math.max(to - from, 2);
        column.style.width = `${wide + 4}px`;
        column.style.height = `${size.height + 4}px`;
        column.style.transform = `translate(${GUTTER + from - 2}px, -2px)`;
        tag.textContent = token;
        const middle = Math.min((from + to) / 2, size.width - 4 * token.length); // a wide token stays under its panel
        tag.style.transform = `translate(${GUTTER + middle}px, ${size.height + 3}px) translateX(-50%)`;
      }
      if (changed.has("unit")) {
        side(each, true);
        const shownRow = field.row(unit);
        row.hidden = number.hidden = shownRow < 0;
        if (shownRow >= 0) {
          const [from, to] = place(y, shownRow).map((pixel) => pixel / ratio);
          row.style.width = `${size.width + 4}px`;
          row.style.height = `${Math.max(to - from, 1) + 4}px`;
          row.style.transform = `translate(${GUTTER - 2}px, ${from - 2}px)`;
          number.textContent = unit;
          number.style.transform = `translate(${GUTTER - 5}px, ${(from + to) / 2}px) translate(-100%, -50%)`;
        }
      }
      value.textContent = unrolled.number(trace.value(name, step, unit));
    }
  }

  // What lies at a pointer event: the strongest number of that pixel, and how many share it.
  function hit(event) {
    const plot = event.target.closest?.(".unrolled-plot");
    const found = plot && panels.find((each) => each.plot === plot);
    if (!found) return null;
    const box = found.canvas.getBoundingClientRect();
    const px = (event.clientX - box.left - GUTTER) * ratio;
    const py = (event.clientY - box.top) * ratio;
    const { x, y } = found;
    if (px < 0 || py < 0 || px >= x.edges[x.bins] || py >= y.edges[y.bins]) return null;
    const [column, row] = [find(x, px), find(y, py)];
    const [s, sEnd, u, uEnd] = [x.from[column], x.from[column + 1], y.from[row], y.from[row + 1]];
    const [at, of] = found.pick(s, sEnd, u, uEnd);
    return { quantity: found.name, count: (sEnd - s) * (uEnd - u), ...found.field.at(at, of) };
  }

  function picture() {
    const { theme, words, palette } = context;
    const head = 30;
    const columns = element.style.gridTemplateColumns.match(/repeat\((\d+)/)[1] | 0;
    const width = Math.max(260, ...panels.map((each) => each.size.width)) + GUTTER + GAP;
    const height = Math.max(...panels.map((each) => each.size.height)) + FOOT + head + 16;
    const { canvas, pen } = unrolled.sheet(context, columns * width + GAP, Math.ceil(panels.length / columns) * height + 24, `${words.unit} ${store.unit}`);
    panels.forEach((each, k) => {
      foot(each, false);
      side(each, false);
      const [x, y] = [4 + (k % columns) * width, 16 + Math.floor(k / columns) * height];
      unrolled.heading(pen, x + GUTTER, y, Math.max(260, each.size.width), words.quantities[each.name] ?? each.name, each.scale, palette, theme);
      pen.drawImage(each.canvas, x, y + head, each.size.width + GUTTER, each.size.height + FOOT);
      foot(each, true);
      side(each, true);
      const column = each.field.column(store.step);
      if (column < 0) return;
      const [from, to] = place(each.x, column).map((pixel) => pixel / ratio);
      pen.strokeStyle = theme.accent;
      pen.lineWidth = 2;
      pen.strokeRect(x + GUTTER + from - 1, y + head - 1, Math.max(to - from, 1) + 2, each.size.height + 2);
    });
    return canvas;
  }

  // The window that was dragged over, from what was hit (the picture may have been drawn anew since) to a pointer event: steps and
  // places, or null.
  function drag(from, up) {
    const to = hit(up);
    if (!from.places || to?.quantity !== from.quantity) return null;
    const span = (ends) => [Math.min(...ends.map((end) => end[0])), Math.max(...ends.map((end) => end[1]))];
    return { steps: span([from.steps, to.steps]), places: span([from.places, to.places]) };
  }

  const blocks = () => panels.some(({ field }) => !field.whole);
  const zooms = () => context.data.zooms && blocks();
  const crowded = () => panels.some(({ x, y, array }) => x.bins < array.shape[0] || y.bins < array.shape[1]);
  return { element, layout, frame, hit, picture, crowded, drag, blocks, zooms };
};
