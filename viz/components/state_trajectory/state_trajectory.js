// The path of the hidden state in its principal plane; the marker moves with the step.
function build(context) {
  const { root, store } = context;
  const MARGIN = 30, DOTS = 2500;
  const canvas = unrolled.element("canvas", { role: "img" });
  const marker = unrolled.element("div", { className: "unrolled-path-now" });
  const plot = unrolled.element("div", { className: "unrolled-path-plot" }, canvas, marker);
  const told = unrolled.element("p", { className: "unrolled-quiet unrolled-path-told", "data-quantity": "plane" });
  const save = unrolled.element("button", { type: "button", className: "unrolled-save" });
  root.append(plot, unrolled.element("div", { className: "unrolled-foot" }, told, save));
  let points = []; // [x, y]: of every step, or of a long run those of some steps
  let steps = []; // which step each is
  let found = new Map(); // and the other way round
  let places = []; // [x, y] in CSS pixels

  function read({ points: xy, steps: chosen }) {
    const numbers = unrolled.numbers(xy);
    points = Array.from({ length: numbers.length / 2 }, (_, k) => [numbers[2 * k], numbers[2 * k + 1]]);
    steps = chosen ?? points.map((_, step) => step);
    found = new Map(steps.map((step, k) => [step, k]));
  }

  function layout() {
    const { words, explained } = context.data;
    const { theme, palette } = context;
    read(context.data);
    const width = context.width;
    const span = (values) => [values.reduce((a, b) => Math.min(a, b), Infinity), values.reduce((a, b) => Math.max(a, b), -Infinity)];
    const [left, right] = span(points.map((point) => point[0])), [low, high] = span(points.map((point) => point[1]));
    const wide = right - left || 1, tall = high - low || 1;
    const most = Math.min(width * 0.75, 560);
    // One scale for both directions, so that lengths are lengths.
    const scale = Math.min((width - 2 * MARGIN) / wide, (most - 2 * MARGIN) / tall);
    const height = Math.max(220, Math.min(most, tall * scale + 2 * MARGIN));
    const zero = [width / 2 - ((left + right) / 2) * scale, height / 2 + ((low + high) / 2) * scale];
    places = points.map(([x, y]) => [zero[0] + x * scale, zero[1] - y * scale]);
    const pen = unrolled.size(canvas, width, height);
    plot.style.height = `${height}px`;
    pen.strokeStyle = theme.text;
    pen.globalAlpha = 0.15;
    pen.beginPath();
    pen.moveTo(0, zero[1]); pen.lineTo(width, zero[1]);
    pen.moveTo(zero[0], 0); pen.lineTo(zero[0], height);
    pen.stroke();
    // Early steps are pale, late ones strong: the scale of a gate, without its palest part.
    const shade = (k) => palette.unit[70 + Math.round((steps[k] / Math.max(store.trace.steps - 1, 1)) * 170)];
    pen.globalAlpha = 0.7;
    pen.lineWidth = places.length > 600 ? 1 : 1.5;
    for (let k = 1; k < places.length; k++) {
      pen.strokeStyle = shade(k);
      pen.beginPath();
      pen.moveTo(...places[k - 1]);
      pen.lineTo(...places[k]);
      pen.stroke();
    }
    pen.globalAlpha = 1;
    if (places.length <= DOTS) places.forEach(([x, y], k) => {
      pen.fillStyle = shade(k);
      pen.beginPath();
      pen.arc(x, y, 2.5, 0, 2 * Math.PI);
      pen.fill();
    });
    // Tokens where there is room for them, the first come first.
    pen.font = `14px ${theme.code}, ${theme.font}`;
    pen.textBaseline = "middle";
    pen.fillStyle = theme.text;
    const taken = new Set();
    places.forEach(([x, y], k) => {
      const text = unrolled.token(store.trace.token(steps[k]));
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
    pen.fillText(`→ ${unrolled.fill(words.axis, { n: 1, share: explained[0] })}`, width - 4, height - 10);
    pen.textAlign = "left";
    pen.fillText(`↑ ${unrolled.fill(words.axis, { n: 2, share: explained[1] })}`, 4, 10);
    pen.globalAlpha = 1;
  }

  const nearest = (event) => {
    const box = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let near = -1, least = 14 ** 2;
    places.forEach((place, k) => {
      const away = (place[0] - x) ** 2 + (place[1] - y) ** 2;
      if (away < least) { least = away; near = steps[k]; }
    });
    return near;
  };
  context.on(plot, "pointermove", (event) => {
    const step = store.trace ? nearest(event) : -1;
    plot.style.cursor = step < 0 ? "default" : "pointer";
    if (step < 0) return unrolled.note(null);
    const token = unrolled.token(store.trace.token(step));
    const [x, y] = points[found.get(step)].map((value) => unrolled.number(value));
    unrolled.note([unrolled.fill(context.words.step_token, { step: step + 1, token }), `(${x}, ${y})`], event.clientX, event.clientY, root);
  });
  context.on(plot, "pointerleave", () => unrolled.note(null));
  context.on(plot, "click", (event) => {
    const step = store.trace ? nearest(event) : -1;
    if (step >= 0) store.set({ step });
  });
  context.on(save, "click", () => unrolled.save(canvas, `${store.trace.layer}-path`));

  return {
    speak() {
      save.textContent = context.words.save;
      canvas.setAttribute("aria-label", context.words.label);
    },
    layout,
    frame() {
      const place = places[found.get(store.step)];
      marker.hidden = !place;
      if (!place) return;
      marker.textContent = unrolled.token(store.trace.token(store.step));
      marker.style.transform = `translate(${place[0]}px, ${place[1]}px) translate(-11px, -50%)`;
      const [x, y] = points[found.get(store.step)];
      told.textContent = unrolled.fill(context.words.told, {
        step: store.step + 1, token: marker.textContent, x: unrolled.number(x), y: unrolled.number(y),
      });
      Object.assign(told.dataset, { step: store.step, layer: store.trace.layer, x: String(x), y: String(y) });
    },
    destroy: () => unrolled.note(null),
  };
}

export default (component) => unrolled.mount(component, build);
