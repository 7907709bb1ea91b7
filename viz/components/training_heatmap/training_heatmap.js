// Maps of a run: training steps across, time steps up, the value as a colour. A column is drawn up to the middle between its
// training step and the next one that is contained; no pixel is an average.
function build(context) {
  const { root, store } = context;
  const HEIGHT = 300, LEFT = 56, BOTTOM = 44, RIGHT = 8, MAX_DECADES = 12;
  let state = null; // whose gradient is shown
  const parts = { gradient: partOf("gradient"), saturation: partOf("saturation") };

  function partOf(kind) {
    const choice = unrolled.element("div", { className: "unrolled-choice", role: "group" });
    const canvas = unrolled.element("canvas", { role: "img" });
    const mark = unrolled.element("div", { className: "unrolled-training-map-mark" });
    const legend = unrolled.element("div", { className: "unrolled-legend unrolled-muted" });
    const mirror = unrolled.element("div", { className: "unrolled-hidden", role: "list" });
    const save = unrolled.element("button", { type: "button", className: "unrolled-save" });
    const element = unrolled.element("div", { className: "unrolled-training-map", "data-map": kind },
      choice, legend, unrolled.element("div", {}, canvas, mark), unrolled.element("div", { className: "unrolled-foot" }, unrolled.element("span"), save), mirror);
    const part = { kind, choice, canvas, mark, legend, mirror, save, element, name: "", map: null, scale: null, width: 0 };
    context.on(choice, "click", (event) => {
      const value = event.target.closest("button")?.dataset.value;
      if (!value) return;
      if (kind === "saturation") return store.set({ quantity: value });
      state = value;
      drawPart(part);
      return showPart(part);
    });
    context.on(canvas, "pointermove", (event) => hover(part, event));
    context.on(canvas, "pointerdown", (event) => { if (event.button === 0) hover(part, event, true); });
    context.on(canvas, "pointerleave", () => unrolled.tooltip(null));
    context.on(save, "click", () => unrolled.savePng(canvas, part.name.replace("/", "-")));
    return part;
  }
  root.append(parts.gradient.element, parts.saturation.element);

  const trainingSteps = () => store.trace.options.training_steps;
  const chosen = (part) => (part.kind === "gradient" ? state : store.quantity);

  // A map: its values (rows, columns), the training step of each row, and where each of its columns begins, in time steps.
  function read(name) {
    const array = store.trace.arrays[`map:${name}`];
    const { at, lengths, width } = store.trace.options.maps[name];
    const [rows, columns] = array.shape;
    return {
      at, lengths, width, rows, columns, steps: at.map((place) => trainingSteps()[place]),
      isReal: (row, column) => column * width < lengths[row],
      value: (row, column) => array.data[row * columns + column],
    };
  }

  function scaleOf(part) {
    const { map } = part;
    if (part.kind === "saturation") return { low: 0, high: 1, isLog: false };
    let [low, high] = [Infinity, 0];
    for (let row = 0; row < map.rows; row++) {
      for (let column = 0; column < map.columns; column++) {
        const value = map.value(row, column);
        if (value > 0 && value < Infinity) { low = Math.min(low, value); high = Math.max(high, value); }
      }
    }
    if (!high) return { low: -1, high: 0, isLog: true };
    const top = Math.log10(high);
    const bottom = Math.max(Math.log10(low), top - MAX_DECADES);
    return { low: bottom, high: Math.max(top, bottom + 1), isLog: true };
  }

  // The horizontal axis in pixels, and the row at a pixel.
  const X = (part, step) => {
    const last = trainingSteps().at(-1) || 1;
    return LEFT + (step / last) * (part.width - LEFT - RIGHT);
  };
  function rowAt(part, pixel) {
    const { steps } = part.map;
    const step = ((pixel - LEFT) / (part.width - LEFT - RIGHT)) * (trainingSteps().at(-1) || 1);
    let [low, high] = [0, steps.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((steps[middle] + steps[middle + 1]) / 2 < step) low = middle + 1; else high = middle;
    }
    const pitch = steps.length > 1 ? (low ? steps[low] - steps[low - 1] : steps[1] - steps[0]) : Infinity;
    return Math.abs(step - steps[low]) > pitch ? -1 : low; // past the last row there is none
  }
  const columnAt = (part, y) => Math.floor(((HEIGHT - y) / HEIGHT) * part.map.columns);

  function drawPart(part) {
    const { words, theme, palette, data } = context;
    const entries = part.kind === "gradient" ? data.states : data.gates;
    part.element.hidden = !entries.length;
    if (!entries.length) return;
    const now = entries.some(([name]) => name === chosen(part)) ? chosen(part) : entries[0][0];
    if (part.kind === "gradient") state = now;
    part.name = `${part.kind}/${now}`;
    part.map = read(part.name);
    part.scale = scaleOf(part);
    part.choice.setAttribute("aria-label", part.kind === "gradient" ? words.gradient_of : words.gate);
    const focused = part.choice.contains(document.activeElement) ? document.activeElement.dataset.value : null;
    part.choice.replaceChildren(...entries.map(([value, text]) => unrolled.element("button", { type: "button", "data-value": value, "aria-pressed": value === now, text })));
    if (focused) part.choice.querySelector(`[data-value="${focused}"]`)?.focus();
    const pen = unrolled.sizeCanvas(part.canvas, part.width, HEIGHT + BOTTOM);
    paint(part, pen);
    axes(part, pen);
    const { low, high, isLog } = part.scale;
    const bar = unrolled.element("i");
    bar.style.background = unrolled.gradient(palette.unit);
    const bound = (value) => unrolled.element("span", { text: isLog ? unrolled.formatNumber(10 ** value, 2) : unrolled.formatPercent(value) });
    const title = unrolled.element("span", { text: part.kind === "gradient" ? words.norm : words.saturated });
    const array = { data: store.trace.arrays[`map:${part.name}`].data, shape: [part.map.rows, part.map.columns] };
    const real = Float32Array.from(array.data, (value, k) => (part.map.isReal(Math.floor(k / part.map.columns), k % part.map.columns) ? value : 0));
    part.legend.replaceChildren(title, bound(low), bar, bound(high), ...unrolled.notFiniteLegend({ ...array, data: real }, palette, words));
    part.canvas.setAttribute("aria-label", `${title.textContent}: ${entries.find(([name]) => name === now)[1]}`);
    part.canvas.style.font = theme.font;
  }

  function paint(part, pen) {
    const { palette } = context;
    const table = unrolled.raster.colourTable(palette.unit, palette.not_finite);
    const ratio = window.devicePixelRatio || 1;
    const image = new ImageData(Math.max(1, Math.round((part.width - LEFT - RIGHT) * ratio)), Math.round(HEIGHT * ratio));
    const pixels = new Uint32Array(image.data.buffer);
    const { low, high, isLog } = part.scale;
    const rows = Array.from({ length: image.width }, (_, x) => rowAt(part, LEFT + (x + 0.5) / ratio));
    for (let y = 0; y < image.height; y++) {
      const column = columnAt(part, (y + 0.5) / ratio);
      for (let x = 0; x < image.width; x++) {
        if (rows[x] < 0 || !part.map.isReal(rows[x], column)) continue;
        const value = part.map.value(rows[x], column);
        const level = Math.round((((isLog ? Math.log10(value) : value) - low) / (high - low)) * 255);
        pixels[y * image.width + x] = table[Number.isFinite(value) ? Math.min(Math.max(level, 0), 255) : 256];
      }
    }
    const sheet = document.createElement("canvas");
    [sheet.width, sheet.height] = [image.width, image.height];
    sheet.getContext("2d").putImageData(image, 0, 0);
    pen.fillStyle = context.theme.background;
    pen.fillRect(0, 0, part.width, HEIGHT + BOTTOM);
    pen.drawImage(sheet, LEFT, 0, part.width - LEFT - RIGHT, HEIGHT);
  }

  function axes(part, pen) {
    const { theme, words } = context;
    pen.strokeStyle = pen.fillStyle = theme.text;
    pen.globalAlpha = 0.3;
    pen.strokeRect(LEFT - 0.5, 0.5, part.width - LEFT - RIGHT + 1, HEIGHT);
    pen.globalAlpha = 0.85;
    pen.font = `13px ${theme.font}`;
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    const { columns, width } = part.map;
    for (const k of unrolled.raster.ticks(columns, HEIGHT / 40, 1)) {
      pen.fillText(String(k * width + 1), LEFT - 6, Math.min(Math.max(HEIGHT - ((k + 0.5) / columns) * HEIGHT, 7), HEIGHT - 7));
    }
    pen.textBaseline = "top";
    pen.textAlign = "center";
    const last = trainingSteps().at(-1) || 1;
    for (const step of unrolled.raster.ticks(last + 1, (part.width - LEFT) / 80)) pen.fillText(step.toLocaleString("en"), Math.min(X(part, step), part.width - 18), HEIGHT + 6);
    pen.fillText(words.training_step, (LEFT + part.width) / 2, HEIGHT + 25);
    pen.save();
    pen.translate(10, HEIGHT / 2);
    pen.rotate(-Math.PI / 2);
    pen.textBaseline = "middle";
    pen.fillText(words.time_step, 0, 0);
    pen.restore();
    pen.globalAlpha = 1;
  }

  const format = (part, value) => (part.kind === "gradient" ? unrolled.formatNumber(value) : unrolled.formatPercent(value));

  function hover(part, event, isPressed = Boolean(event.buttons & 1)) {
    if (!store.trace || !part.map) return;
    const box = part.canvas.getBoundingClientRect();
    const [x, y] = [((event.clientX - box.left) * part.width) / box.width, ((event.clientY - box.top) * (HEIGHT + BOTTOM)) / box.height];
    const row = x < LEFT || x > part.width - RIGHT || y < 0 || y >= HEIGHT ? -1 : rowAt(part, x);
    const column = columnAt(part, y);
    if (row < 0 || !part.map.isReal(row, column)) return unrolled.tooltip(null);
    if (isPressed) store.set({ step: part.map.at[row] });
    const { width, steps, lengths } = part.map;
    const { words } = context;
    const [first, last] = [column * width + 1, Math.min((column + 1) * width, lengths[row])];
    const step = steps[row].toLocaleString("en");
    const place = first === last ? unrolled.fillTemplate(words.place, { step, position: first }) : unrolled.fillTemplate(words.places, { step, first, last });
    return unrolled.tooltip([format(part, part.map.value(row, column)), place], event.clientX, event.clientY, root);
  }

  // The mark of the training step, and its row as elements of the document.
  function showPart(part) {
    if (!part.map || part.element.hidden) return;
    const { words } = context;
    const step = trainingSteps()[store.step];
    part.mark.style.height = `${HEIGHT}px`;
    part.mark.style.transform = `translateX(${X(part, step) - 1}px)`;
    const row = part.map.at.indexOf(store.step);
    const token = store.trace.token(store.step);
    part.mirror.setAttribute("aria-label", unrolled.fillTemplate(row < 0 ? words.no_row : words.row, { token }));
    part.element.querySelector(".unrolled-foot > span").textContent = row < 0 ? unrolled.fillTemplate(words.no_row, { token }) : "";
    const columns = row < 0 ? [] : Array.from({ length: part.map.columns }, (_, k) => k).filter((k) => part.map.isReal(row, k));
    part.mirror.replaceChildren(...columns.map((column) => {
      const value = part.map.value(row, column);
      return unrolled.element("span", {
        role: "listitem", "data-quantity": part.name, "data-layer": store.trace.layer, "data-step": step, "data-position": column * part.map.width,
        "data-value": value, text: format(part, value),
      });
    }));
  }

  return {
    relabel() { for (const part of Object.values(parts)) part.save.textContent = context.words.save; },
    update() { store.follow(context.data.view); },
    layout() {
      const isWide = context.width >= 760 && context.data.states.length > 0 && context.data.gates.length > 0;
      root.dataset.form = isWide ? "wide" : "narrow";
      for (const part of Object.values(parts)) {
        part.width = isWide ? Math.floor((context.width - 24) / 2) : context.width;
        drawPart(part);
      }
    },
    frame(changed) {
      if (changed.has("quantity") && !changed.has("trace")) drawPart(parts.saturation);
      for (const part of Object.values(parts)) showPart(part);
    },
    destroy: () => unrolled.tooltip(null),
  };
}

unrolled.define("training_heatmap", build);
