// A curve over the time steps that the reader draws. Once it is finished, the computed curve is over it. data.others: curves of
// others, drawn pale below; data.watches: the reader only looks on.
function build(context) {
  const { root } = context;
  const WIDTH = 1000, HEIGHT = 220, MARGIN = 8; // units of the drawing, which is stretched to its place
  const MAX_LABELS = 48; // one a time step, if they are single characters; else numbers of some of the steps
  const INTERVALS = [1, 2, 5, 10, 20, 50, 100, 200, 500];

  const svg = unrolled.svgElement("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", tabindex: 0, role: "slider" });
  const zero = unrolled.svgElement("line", { x1: 0, x2: WIDTH }, svg);
  const marker = unrolled.svgElement("line", { class: "unrolled-sketch-step", y1: 0, y2: HEIGHT, visibility: "hidden" }, svg);
  const others = unrolled.svgElement("g", {}, svg);
  const [drawnPath, computedPath] = ["drawn", "computed"].map((name) => unrolled.svgElement("path", { class: `unrolled-sketch-${name}` }, svg));
  const [high, low] = [unrolled.element("span"), unrolled.element("span")];
  const tokens = unrolled.element("div", { className: "unrolled-sketch-tokens", "aria-hidden": "true" });
  const field = unrolled.element("div", { className: "unrolled-sketch-field" }, unrolled.element("div", { "aria-hidden": "true" }, high, low), svg, tokens);
  const hint = unrolled.element("p", { className: "unrolled-muted" });
  const finish = unrolled.element("button", { type: "button", className: "unrolled-sketch-finish" });
  const clear = unrolled.element("button", { type: "button" });
  const readout = unrolled.element("span", { className: "unrolled-muted" });
  const legend = ["drawn", "computed"].map((name) => {
    const line = unrolled.element("i");
    line.toggleAttribute("data-computed", name === "computed");
    return unrolled.element("span", { className: "unrolled-sketch-key" }, line, unrolled.element("span"));
  });
  root.append(hint, field, unrolled.element("div", { className: "unrolled-foot" }, finish, clear, ...legend, readout));

  let values = []; // a number per time step, null where nothing is drawn
  let step = 0;
  let last = null; // of the stroke that is being drawn: {step, value}
  let isOver = false; // whether the pointer is over the drawing

  const count = () => context.data.tokens.length;
  const isFinished = () => context.data.computed !== null || Boolean(context.data.watches);
  const span = () => context.data.high - context.data.low;
  const x = (k) => ((k + 0.5) / count()) * WIDTH;
  const y = (value) => MARGIN + (1 - (value - context.data.low) / span()) * (HEIGHT - 2 * MARGIN);
  const clamp = (value, from, to) => Math.min(Math.max(value, from), to);

  // What is written under each time step; "" for nothing.
  function labels() {
    const names = context.data.tokens.map(unrolled.displayToken);
    if (count() <= MAX_LABELS && names.every((name) => [...name].length === 1)) return names;
    const interval = INTERVALS.find((each) => count() / each <= 12) ?? count();
    return names.map((_, k) => (k === 0 || (k + 1) % interval === 0 ? String(k + 1) : ""));
  }

  function pathOf(points) {
    let text = "";
    let pen = false;
    points.forEach((value, k) => {
      if (value === null || !Number.isFinite(value)) { pen = false; return; }
      // A single point between gaps is a short line, else it would be invisible.
      text += `${pen ? "L" : "M"}${x(k).toFixed(2)},${y(clamp(value, context.data.low, context.data.high)).toFixed(2)}${pen ? "" : "h0.5"}`;
      pen = true;
    });
    return text;
  }

  function draw() {
    const { words, data } = context;
    drawnPath.setAttribute("d", pathOf(isFinished() ? data.drawn ?? [] : values));
    computedPath.setAttribute("d", pathOf(data.computed ?? []));
    others.replaceChildren(...(data.others ?? []).map((curve) => unrolled.svgElement("path", { class: "unrolled-sketch-other", d: pathOf(curve) })));
    const isMarked = count() > 0 && (document.activeElement === svg || isOver);
    marker.setAttribute("visibility", isMarked ? "visible" : "hidden");
    for (const end of ["x1", "x2"]) marker.setAttribute(end, x(step));
    const shown = (isFinished() ? data.computed ?? [] : values)[step] ?? null;
    const text = unrolled.fillTemplate(shown === null ? words.empty : words.value, {
      step: step + 1, token: unrolled.displayToken(data.tokens[step] ?? ""), value: unrolled.formatNumber(shown, 3),
    });
    readout.textContent = isMarked ? text : "";
    svg.setAttribute("aria-valuetext", text);
    svg.setAttribute("aria-valuenow", step + 1);
    finish.disabled = clear.disabled = values.every((value) => value === null);
  }

  // Set the values from one time step to another, on a line.
  function set(from, to) {
    const [first, end] = from.step <= to.step ? [from, to] : [to, from];
    for (let k = first.step; k <= end.step; k++) {
      const share = end.step === first.step ? 1 : (k - first.step) / (end.step - first.step);
      values[k] = first.value + share * (end.value - first.value);
    }
    values[to.step] = to.value;
    step = to.step;
    draw();
  }

  function at(event) {
    const box = svg.getBoundingClientRect();
    const height = ((event.clientY - box.top) / box.height) * HEIGHT;
    return {
      step: clamp(Math.floor(((event.clientX - box.left) / box.width) * count()), 0, count() - 1),
      value: clamp(context.data.low + (1 - (height - MARGIN) / (HEIGHT - 2 * MARGIN)) * span(), context.data.low, context.data.high),
    };
  }

  context.on(svg, "pointerdown", (event) => {
    if (event.button !== 0 || isFinished()) return;
    svg.setPointerCapture(event.pointerId);
    last = at(event);
    set(last, last);
  });
  context.on(svg, "pointermove", (event) => {
    const now = at(event);
    isOver = true;
    step = now.step;
    if (last) {
      set(last, now);
      last = now;
    } else draw();
  });
  context.on(svg, "pointerleave", () => {
    isOver = false;
    draw();
  });
  for (const type of ["pointerup", "pointercancel"]) context.on(svg, type, () => { last = null; });
  context.on(svg, "keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1, Home: -count(), End: count() }[event.key];
    const turn = { ArrowUp: 1, ArrowDown: -1, PageUp: 5, PageDown: -5 }[event.key];
    if ((!move && !turn) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation(); // the player would move too
    if (move) {
      const from = step;
      step = clamp(step + move, 0, count() - 1);
      if (!isFinished() && values[from] !== null && values[step] === null) values[step] = values[from];
    } else if (!isFinished()) {
      const { low: least, high: most } = context.data;
      values[step] = clamp((values[step] ?? (least + most) / 2) + (turn * span()) / 40, least, most);
    }
    draw();
  });
  for (const type of ["focus", "blur"]) context.on(svg, type, draw);
  context.on(clear, "click", () => {
    values = values.map(() => null);
    step = 0;
    draw();
  });
  context.on(finish, "click", () => context.report("drawn", { values: filled(), at: performance.now() }));

  // The curve at every time step: on a line between the steps that were drawn, constant before and after them.
  function filled() {
    const known = [...values.keys()].filter((k) => values[k] !== null);
    return values.map((value, k) => {
      if (value !== null) return value;
      const before = known.findLast((each) => each < k);
      const after = known.find((each) => each > k);
      if (before === undefined) return values[after];
      if (after === undefined) return values[before];
      return values[before] + ((k - before) / (after - before)) * (values[after] - values[before]);
    });
  }

  let drawnFor = null;
  return {
    relabel() {
      const { words } = context;
      hint.textContent = words.hint;
      finish.textContent = words.finish;
      clear.textContent = words.clear;
      svg.setAttribute("aria-label", words.label);
      legend.forEach((entry, k) => { entry.lastChild.textContent = k ? words.computed : words.drawn; });
    },
    update() {
      const { data } = context;
      const now = JSON.stringify([data.tokens, data.low, data.high]);
      if (now !== drawnFor) {
        drawnFor = now;
        values = data.tokens.map(() => null);
        step = 0;
        tokens.replaceChildren(...labels().map((text) => unrolled.element("span", { text })));
        [low.textContent, high.textContent] = [data.low, data.high].map((value) => unrolled.formatNumber(value, 3));
        svg.setAttribute("aria-valuemin", 1);
        svg.setAttribute("aria-valuemax", count());
        const isInside = data.low < 0 && data.high > 0;
        zero.setAttribute("visibility", isInside ? "visible" : "hidden");
        for (const end of ["y1", "y2"]) zero.setAttribute(end, y(isInside ? 0 : data.low));
      }
      root.toggleAttribute("data-finished", isFinished());
      hint.hidden = finish.hidden = clear.hidden = isFinished();
      legend[0].hidden = !isFinished() || (data.drawn ?? null) === null;
      legend[1].hidden = data.computed === null;
      draw();
    },
  };
}

unrolled.define("sketch", build);
