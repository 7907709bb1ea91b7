// A recurrent layer as one cell with a loop, which opens into a row of cells: the same weights at each time step, h passed on.
function build(context) {
  const { root } = context;
  const PITCH = 150, LEFT = 110, CELL = { y: 64, width: 62, height: 48 }, HEIGHT = 204, SECONDS = 0.9;
  let drawn = "", open = true, progress = 1, frame = 0, parts = null;

  const make = unrolled.svgElement;
  const digits = (number) => [...String(number)].map((digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]).join("");
  const head = (x, y, turn, parent) => make("path", { d: "M0,0l-9,-5v10z", transform: `translate(${x},${y}) rotate(${turn})`, class: "head" }, parent);

  // The state after cell k as a column of numbers, its middle at x.
  function column(values, k, x, y, parent) {
    const { units, colours, steps } = context.data;
    const group = make("g", {}, parent);
    make("text", { x, y: y - 6, "text-anchor": "middle" }, group, `h${digits(steps[k])}`);
    for (let unit = 0; unit < units; unit++) {
      const value = values[k * units + unit];
      const colour = Number.isFinite(value) ? colours[Math.max(0, Math.min(255, Math.round(((value + 1) / 2) * 255)))] : context.data.not_finite;
      const place = y + unit * 17;
      make("rect", { x: x - 25, y: place, width: 50, height: 16, fill: colour, "data-quantity": "hidden", "data-step": steps[k] - 1, "data-unit": unit, "data-value": String(value) }, group);
      make("text", { x, y: place + 12.5, "text-anchor": "middle", style: `font-size: 12px; fill: ${unrolled.contrastColour(colour)}` }, group, value.toFixed(3).replace("-", "−"));
    }
    return group;
  }

  function draw() {
    const { inputs, cell, theme, input, steps: numbers } = context.data;
    const { words } = context;
    root.dataset.theme = theme;
    const values = unrolled.float32(context.data.states);
    const steps = inputs.length, width = LEFT + steps * PITCH + 20;
    const height = Math.max(HEIGHT, CELL.y + CELL.height / 2 + 46 + context.data.units * 17);
    const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": words.label });
    const middle = CELL.y + CELL.height / 2;
    const before = make("g", {}, svg);
    column(values, 0, LEFT - 66, middle + 34, before);
    make("path", { d: `M12,${middle}H${LEFT - 6}`, class: "arrow" }, before);
    head(LEFT - 2, middle, 0, before);
    const cells = inputs.map((name, k) => {
      const group = make("g", {}, svg);
      const x = CELL.width / 2;
      const passed = make("g", {}, group); // the arrow to the next cell, with the state on it
      make("path", { d: `M${CELL.width},${middle}H${PITCH - 6}`, class: "arrow" }, passed);
      head(PITCH - 2, middle, 0, passed);
      column(values, k + 1, CELL.width + (PITCH - CELL.width) / 2 - 2, middle + 34, passed);
      make("rect", { x: 0, y: CELL.y, width: CELL.width, height: CELL.height, rx: 8, class: "cell" }, group);
      make("text", { x, y: middle + 5, "text-anchor": "middle", style: "font-weight: 600" }, group, cell);
      make("path", { d: `M${x},${height - 44}V${CELL.y + CELL.height + 6}`, class: "arrow" }, group);
      head(x, CELL.y + CELL.height + 2, -90, group);
      make("path", { d: `M${x},${CELL.y}V${CELL.y - 28}`, class: "arrow" }, group);
      head(x, CELL.y - 32, -90, group);
      const own = make("g", {}, group);
      make("text", { x, y: height - 26, "text-anchor": "middle" }, own, `${input}${digits(numbers[k + 1])}`);
      if (name) make("text", { x, y: height - 8, "text-anchor": "middle" }, own, name);
      make("text", { x, y: CELL.y - 40, "text-anchor": "middle" }, own, `h${digits(numbers[k + 1])}`);
      return { group, passed, own };
    });
    const loop = make("g", {}, svg);
    const right = LEFT + CELL.width;
    make("path", { d: `M${right},${middle}h26a12,12 0 0 0 12,-12v-18a12,12 0 0 0 -12,-12h-${CELL.width + 52}a12,12 0 0 0 -12,12v18a12,12 0 0 0 12,12h18`, class: "arrow" }, loop);
    head(LEFT - 2, middle, 0, loop);
    make("text", { x: right + 46, y: CELL.y + 4 }, loop, numbers[0] ? "hₜ → hₜ₊₁" : "hₜ → hₜ₋₁");
    make("text", { x: LEFT + CELL.width / 2, y: height - 26, "text-anchor": "middle" }, loop, `${input}ₜ`);
    make("text", { x: LEFT + CELL.width / 2, y: CELL.y - 40, "text-anchor": "middle" }, loop, "hₜ");
    const button = unrolled.element("button", { type: "button" });
    button.addEventListener("click", () => { open = !open; animate(); });
    parts = { cells, loop, before, button };
    root.replaceChildren(button, unrolled.element("div", { className: "scroll" }, svg));
    place();
  }

  // Place the cells between folded (0) and unrolled (1).
  function place() {
    const { cells, loop, before, button } = parts;
    const eased = progress * progress * (3 - 2 * progress);
    cells.forEach(({ group, passed, own }, k) => {
      group.setAttribute("transform", `translate(${LEFT + k * PITCH * eased},0)`);
      passed.setAttribute("opacity", Math.max(0, eased * 2 - 1));
      own.setAttribute("opacity", Math.max(0, eased * 2 - 1));
    });
    before.setAttribute("opacity", Math.max(0, eased * 2 - 1));
    loop.setAttribute("opacity", Math.max(0, 1 - eased * 2));
    root.dataset.open = String(open);
    button.textContent = open ? context.words.fold : context.words.unroll;
  }

  function animate() {
    cancelAnimationFrame(frame);
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const [from, began] = [progress, performance.now()];
    const step = (now) => {
      const done = still ? 1 : Math.min(1, (now - began) / (SECONDS * 1000));
      progress = from + ((open ? 1 : 0) - from) * done;
      place();
      if (done < 1) frame = requestAnimationFrame(step);
    };
    frame = requestAnimationFrame(step);
  }

  return {
    update() {
      const next = JSON.stringify(context.data);
      if (next === drawn) return;
      drawn = next;
      draw();
    },
    destroy: () => cancelAnimationFrame(frame),
  };
}

unrolled.define("folded_network", build);
