// The map of all gradients on a log scale, one row a loss, one column a state; beside it the pair that is picked.
function build(context) {
  const { root, store } = context;
  const { divide, find, inks, place, ticks } = unrolled.raster;
  const GUTTER = 64, FOOT = 44, DECADES = 8, HATCH = 256;
  const canvas = unrolled.element("canvas", { role: "img" });
  const cell = unrolled.element("div", { className: "unrolled-mark-column" });
  const plot = unrolled.element("div", { className: "unrolled-plot" }, canvas, cell);
  const area = unrolled.element("div", { className: "unrolled-area", tabindex: 0, role: "group" }, plot);
  const bar = unrolled.element("div", { className: "unrolled-legend unrolled-quiet" });
  const explain = unrolled.element("span", { className: "unrolled-quiet" });
  const save = unrolled.element("button", { type: "button", className: "unrolled-save" });
  const pair = unrolled.gradientPair(context);
  const left = unrolled.element("div", { className: "unrolled-left" }, bar, area, unrolled.element("div", { className: "unrolled-foot" }, explain, save));
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
    return { high: top, low: Math.min(Math.max(Math.log10(low), top - DECADES), top - 1) };
  }

  // The strongest of the numbers that share a pixel.
  function strongest(column, row) {
    const { shape: [, rows], data } = store.trace.arrays.hidden;
    let found = [x.from[column], y.from[row]], most = -1;
    for (let k = x.from[column]; k < x.from[column + 1]; k++) {
      for (let r = y.from[row]; r < y.from[row + 1]; r++) {
        const value = data[k * rows + r];
        if (value !== value || value === Infinity) return [k, r];
        if (value > most) { most = value; found = [k, r]; }
      }
    }
    return found;
  }

  function paint(pen) {
    const table = inks(context.palette.unit);
    const [ar, ag, ab] = unrolled.rgb(context.theme.accent);
    const broken = (255 << 24) | (ab << 16) | (ag << 8) | ar;
    const image = new ImageData(x.edges[x.bins], y.edges[y.bins]);
    const pixels = new Uint32Array(image.data.buffer);
    const spaced = x.edges[1] - x.edges[0] >= 9 ? 1 : 0;
    for (let row = 0; row < y.bins; row++) {
      for (let column = 0; column < x.bins; column++) {
        const value = store.trace.value("hidden", ...strongest(column, row));
        if (value === 0) continue;
        const level = Math.round(((Math.log10(value) - scale.low) / (scale.high - scale.low)) * 255);
        const ink = Number.isFinite(value) ? table[Math.min(Math.max(level, 0), HATCH - 1)] : broken;
        for (let line = y.edges[row]; line < y.edges[row + 1] - spaced; line++) {
          pixels.fill(ink, line * image.width + x.edges[column], line * image.width + x.edges[column + 1] - spaced);
        }
      }
    }
    // where no path leads: hatched, so that it is not taken for a small number
    const sheet = document.createElement("canvas");
    [sheet.width, sheet.height] = [image.width, image.height];
    sheet.getContext("2d").putImageData(image, 0, 0);
    pen.save();
    pen.beginPath();
    pen.rect(GUTTER, 0, size.width, size.height);
    pen.clip();
    pen.globalAlpha = 0.16;
    pen.strokeStyle = context.theme.text;
    pen.beginPath();
    for (let at = -size.height; at < size.width; at += 9) {
      pen.moveTo(GUTTER + at, size.height);
      pen.lineTo(GUTTER + at + size.height, 0);
    }
    pen.stroke();
    pen.restore();
    cover(pen);
    pen.drawImage(sheet, GUTTER, 0, size.width, size.height);
  }

  // The page's ground under every cell that has a number, over the hatching.
  function cover(pen) {
    pen.fillStyle = context.theme.background;
    for (let row = 0; row < y.bins; row++) {
      let from = null;
      for (let column = 0; column <= x.bins; column++) {
        const reached = column < x.bins && store.trace.value("hidden", ...strongest(column, row)) !== 0;
        if (reached && from === null) from = column;
        if (!reached && from !== null) {
          pen.fillRect(GUTTER + x.edges[from] / ratio, y.edges[row] / ratio, (x.edges[column] - x.edges[from]) / ratio, (y.edges[row + 1] - y.edges[row]) / ratio);
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
    pen.strokeRect(GUTTER - 0.5, 0.5, size.width + 1, size.height - 1);
    pen.globalAlpha = 0.8;
    pen.font = `13px ${theme.font}`;
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    const rows = trace.options.rows;
    for (const r of ticks(rows.length, size.height / 34, 1)) {
      const [from, to] = place(y, r);
      pen.fillText(rows[r] + 1, GUTTER - 7, Math.min(Math.max((from + to) / 2 / ratio, 7), size.height - 7));
    }
    pen.textAlign = "center";
    pen.textBaseline = "top";
    for (const k of ticks(trace.steps, size.width / 48, 1)) {
      const [from, to] = place(x, k);
      pen.fillText(k + 1, GUTTER + (from + to) / 2 / ratio, size.height + 6);
    }
    pen.fillText(words.across, GUTTER + size.width / 2, size.height + 25);
    pen.save();
    pen.translate(14, size.height / 2);
    pen.rotate(-Math.PI / 2);
    pen.textBaseline = "middle";
    pen.fillText(words.down, 0, 0);
    pen.restore();
    pen.globalAlpha = 1;
  }

  function power(value) {
    const node = unrolled.element("span", { text: "10" });
    node.append(unrolled.element("sup", { text: String(value).replace("-", "−") }));
    return node;
  }

  function legend() {
    const { low, high } = scale;
    const ramp = unrolled.element("i");
    ramp.style.background = `linear-gradient(to right, ${context.palette.unit.filter((_, k) => k % 15 === 0).join(",")})`;
    const [from, to] = [low, high].map((each) => power(Number(each.toFixed(1))));
    bar.replaceChildren(from, ramp, to);
  }

  function layout() {
    const { trace } = store;
    const { words } = context;
    ratio = window.devicePixelRatio || 1;
    const wide = context.width >= 760;
    root.dataset.form = wide ? "wide" : "narrow";
    const most = Math.min(wide ? context.width * 0.56 : context.width, 720) - GUTTER;
    const rows = trace.options.rows.length;
    scale = range();
    // whole pixels for each step while they fit, so that the cells are squares
    const cellSize = Math.max(1, Math.min(Math.floor((most * ratio) / trace.steps), 34 * ratio));
    x = divide(trace.steps, Math.floor(Math.min(most * ratio, trace.steps * cellSize)));
    y = divide(rows, rows === trace.steps ? x.edges[x.bins] : Math.floor(Math.min(most * 0.8 * ratio, rows * Math.max(cellSize, 3 * ratio))));
    size = { width: x.edges[x.bins] / ratio, height: y.edges[y.bins] / ratio };
    const pen = unrolled.size(canvas, GUTTER + size.width + 8, size.height + FOOT);
    paint(pen);
    axes(pen);
    legend();
    canvas.setAttribute("aria-label", words.keys);
    explain.textContent = rows === trace.steps ? words.explain : `${words.explain} ${unrolled.fill(words.thinned, { shown: rows, steps: trace.steps })}`;
  }

  function frame() {
    const [left, right] = place(x, store.step).map((pixel) => pixel / ratio);
    const [top, bottom] = place(y, store.unit).map((pixel) => pixel / ratio);
    cell.style.width = `${Math.max(right - left, 3) + 4}px`;
    cell.style.height = `${Math.max(bottom - top, 3) + 4}px`;
    cell.style.transform = `translate(${GUTTER + left - 2}px, ${top - 2}px)`;
    pair.frame();
  }

  function hit(event) {
    const box = canvas.getBoundingClientRect();
    const [px, py] = [(event.clientX - box.left - GUTTER) * ratio, (event.clientY - box.top) * ratio];
    if (!x || px < 0 || py < 0 || px >= x.edges[x.bins] || py >= y.edges[y.bins]) return null;
    const [step, unit] = strongest(find(x, px), find(y, py));
    return { step, unit };
  }

  context.on(plot, "pointermove", (event) => {
    const at = store.trace ? hit(event) : null;
    if (!at) return unrolled.note(null);
    if (event.buttons & 1) store.set(at);
    const { words } = context;
    const { trace } = store;
    const t = trace.options.rows[at.unit];
    unrolled.note([
      unrolled.number(trace.value("hidden", at.step, at.unit), 3),
      unrolled.fill(words.loss_at, { step: t + 1, token: unrolled.token(trace.tokens[t]) }),
      unrolled.fill(words.state_at, { step: at.step + 1, token: unrolled.token(trace.tokens[at.step]) }),
    ], event.clientX, event.clientY, root);
  });
  context.on(plot, "pointerleave", () => unrolled.note(null));
  context.on(plot, "pointerdown", (event) => {
    const at = store.trace && event.button === 0 ? hit(event) : null;
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
    const pen = unrolled.size(sheet, GUTTER + size.width + 24, size.height + FOOT + 8);
    pen.fillStyle = context.theme.background;
    pen.fillRect(0, 0, GUTTER + size.width + 24, size.height + FOOT + 8);
    pen.drawImage(canvas, 8, 8, GUTTER + size.width + 8, size.height + FOOT);
    unrolled.save(sheet, `${store.trace.layer}-gradients`);
  });

  return {
    speak() {
      save.textContent = context.words.save;
      area.setAttribute("aria-label", context.words.keys);
    },
    update() { store.follow(context.data.view); },
    layout,
    frame,
    destroy: () => unrolled.note(null),
  };
}

export default (component) => unrolled.mount(component, build);
