// The trajectory of the hidden state in the plane of its first two principal components; the marker moves with the step.
function build(context) {
  const { root, store } = context;
  const MARGIN = 30, MAX_DOTS = 2500, HOVER_RADIUS = 14;
  const canvas = unrolled.element("canvas", { role: "img" });
  const marker = unrolled.element("div", { className: "unrolled-state-trajectory-marker" });
  const plot = unrolled.element("div", { className: "unrolled-state-trajectory-plot" }, canvas, marker);
  const readout = unrolled.element("p", { className: "unrolled-muted unrolled-state-trajectory-readout", "data-quantity": "plane" });
  const save = unrolled.element("button", { type: "button", className: "unrolled-save" });
  root.append(plot, unrolled.element("div", { className: "unrolled-foot" }, readout, save));
  let points = []; // [x, y] of every step, or of some steps of a long run
  let steps = []; // the step of each point
  let indexOf = new Map(); // step -> index of its point
  let pixels = []; // [x, y] of each point in CSS pixels

  function parse({ points: xy, steps: chosen }) {
    const numbers = unrolled.float32(xy);
    points = Array.from({ length: numbers.length / 2 }, (_, k) => [numbers[2 * k], numbers[2 * k + 1]]);
    steps = chosen ?? points.map((_, step) => step);
    indexOf = new Map(steps.map((step, k) => [step, k]));
  }

  function layout() {
    const { words, explained } = context.data;
    const { theme, palette } = context;
    parse(context.data);
    const width = context.width;
    const span = (values) => [values.reduce((a, b) => Math.min(a, b), Infinity), values.reduce((a, b) => Math.max(a, b), -Infinity)];
    const [left, right] = span(points.map((point) => point[0])), [low, high] = span(points.map((point) => point[1]));
    const rangeX = right - left || 1, rangeY = high - low || 1;
    const maxHeight = Math.min(width * 0.75, 560);
    // The same scale in both directions.
    const scale = Math.min((width - 2 * MARGIN) / rangeX, (maxHeight - 2 * MARGIN) / rangeY);
    const height = Math.max(220, Math.min(maxHeight, rangeY * scale + 2 * MARGIN));
    const zero = [width / 2 - ((left + right) / 2) * scale, height / 2 + ((low + high) / 2) * scale];
    pixels = points.map(([x, y]) => [zero[0] + x * scale, zero[1] - y * scale]);
    const pen = unrolled.sizeCanvas(canvas, width, height);
    plot.style.height = `${height}px`;
    pen.strokeStyle = theme.text;
    pen.globalAlpha = 0.15;
    pen.beginPath();
    pen.moveTo(0, zero[1]); pen.lineTo(width, zero[1]);
    pen.moveTo(zero[0], 0); pen.lineTo(zero[0], height);
    pen.stroke();
    // Early steps are pale, late ones dark: the colour scale of a gate, without its palest part.
    const colourOf = (k) => palette.unit[70 + Math.round((steps[k] / Math.max(store.trace.steps - 1, 1)) * 170)];
    pen.globalAlpha = 0.7;
    pen.lineWidth = pixels.length > 600 ? 1 : 1.5;
    for (let k = 1; k < pixels.length; k++) {
      pen.strokeStyle = colourOf(k);
      pen.beginPath();
      pen.moveTo(...pixels[k - 1]);
      pen.lineTo(...pixels[k]);
      pen.stroke();
    }
    pen.globalAlpha = 1;
    if (pixels.length <= MAX_DOTS) pixels.forEach(([x, y], k) => {
      pen.fillStyle = colourOf(k);
      pen.beginPath();
      pen.arc(x, y, 2.5, 0, 2 * Math.PI);
      pen.fill();
    });
    // Label the points with their tokens where there is room, earlier steps first.
    pen.font = `14px ${theme.code}, ${theme.font}`;
    pen.textBaseline = "middle";
    pen.fillStyle = theme.text;
    const taken = new Set();
    pixels.forEach(([x, y], k) => {
      const text = unrolled.displayToken(store.trace.token(steps[k]));
      const size = pen.measureText(text).width;
      const [a, b] = [Math.floor((x + 6) / 14), Math.floor((x + 6 + size) / 14)];
      const row = Math.floor(y / 16);
      if (x + 6 + size > width) return;
      for (let c = a - 1; c <= b; c++) for (const r of [row - 1, row]) if (taken.has(`${c},${r}`)) return;
      for (let c = a; c <= b; c++) taken.add(`${c},${row}`);
      pen.fillText(text, x + 6, y - 1);
    });
    pen.font = `13px ${theme.font}`;
    pen.globalAlpha = 0.75;
    pen.textAlign = "right";
    pen.fillText(`→ ${unrolled.fillTemplate(words.axis, { n: 1, share: explained[0] })}`, width - 4, height - 10);
    pen.textAlign = "left";
    pen.fillText(`↑ ${unrolled.fillTemplate(words.axis, { n: 2, share: explained[1] })}`, 4, 10);
    pen.globalAlpha = 1;
  }

  // The step of the point nearest to the pointer; -1 where none is close.
  const stepAt = (event) => {
    const box = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let nearest = -1, min = HOVER_RADIUS ** 2;
    pixels.forEach((point, k) => {
      const distance = (point[0] - x) ** 2 + (point[1] - y) ** 2;
      if (distance < min) { min = distance; nearest = steps[k]; }
    });
    return nearest;
  };
  context.on(plot, "pointermove", (event) => {
    const step = store.trace ? stepAt(event) : -1;
    plot.style.cursor = step < 0 ? "default" : "pointer";
    if (step < 0) return unrolled.tooltip(null);
    const token = unrolled.displayToken(store.trace.token(step));
    const [x, y] = points[indexOf.get(step)].map((value) => unrolled.formatNumber(value));
    unrolled.tooltip([unrolled.fillTemplate(context.words.step_token, { step: step + 1, token }), `(${x}, ${y})`], event.clientX, event.clientY, root);
  });
  context.on(plot, "pointerleave", () => unrolled.tooltip(null));
  context.on(plot, "click", (event) => {
    const step = store.trace ? stepAt(event) : -1;
    if (step >= 0) store.set({ step });
  });
  context.on(save, "click", () => unrolled.savePng(canvas, `${store.trace.layer}-path`));

  return {
    relabel() {
      save.textContent = context.words.save;
      canvas.setAttribute("aria-label", context.words.label);
    },
    layout,
    frame() {
      const point = pixels[indexOf.get(store.step)];
      marker.hidden = !point;
      if (!point) return;
      marker.textContent = unrolled.displayToken(store.trace.token(store.step));
      marker.style.transform = `translate(${point[0]}px, ${point[1]}px) translate(-11px, -50%)`;
      const [x, y] = points[indexOf.get(store.step)];
      readout.textContent = unrolled.fillTemplate(context.words.readout, {
        step: store.step + 1, token: marker.textContent, x: unrolled.formatNumber(x), y: unrolled.formatNumber(y),
      });
      Object.assign(readout.dataset, { step: store.step, layer: store.trace.layer, x: String(x), y: String(y) });
    },
    destroy: () => unrolled.tooltip(null),
  };
}

unrolled.define("state_trajectory", build);
