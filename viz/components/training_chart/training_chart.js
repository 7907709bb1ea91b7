// Plots of a run's scalars over the training steps, as SVG: lines, bands where only a part of the values is contained, and marks of
// NaN, infinity, and zeros that a logarithmic axis lacks.
function build(context) {
  const { root, store } = context;
  const HEIGHT = 290, TOP = 30, RIGHT = 12, LEFT = 66, UNDER = 46, TICK = 13, MAX_DECADES = 60, MANY = 50;
  const DASHES = { dash: "8 5", dot: "2 4", dashdot: "8 4 2 4", longdash: "14 5", longdashdot: "14 4 2 4" };
  let plots = []; // {element, svg, marker, X(training step), Y(value), curves}

  const svgOf = unrolled.svgElement;
  const curveOf = (scalar) => store.trace.options.curves[scalar];
  const stepOf = (place) => store.trace.options.training_steps[place];
  const numbers = (curve) => curve.values.map(Number);

  // Round numbers from low to high, about `room` of them.
  function roundTicks(low, high, room) {
    const raw = (high - low) / Math.max(room, 1);
    const unit = 10 ** Math.floor(Math.log10(raw || 1));
    const pitch = unit * ([1, 2, 5, 10].find((each) => each * unit >= raw * 0.999) ?? 10);
    const found = [];
    for (let k = Math.ceil(low / pitch - 1e-9); k * pitch <= high + pitch * 1e-9; k++) found.push(Number((k * pitch).toPrecision(12)));
    return found;
  }

  // The vertical axis: {isLog, low, high, ticks: [[value, text]]}.
  function axisOf({ scale, bound }, curves) {
    if (scale === "percent") return { isLog: false, low: -0.02, high: 1.04, ticks: [0, 0.25, 0.5, 0.75, 1].map((each) => [each, `${100 * each}%`]) };
    const values = [...curves.flatMap(({ points }) => [...numbers(points), ...(points.low ?? []), ...(points.high ?? [])]), ...(bound ? [bound[0]] : [])]
      .filter((value) => value !== null && Number.isFinite(value));
    let [low, high] = values.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]);
    const positive = values.filter((value) => value > 0);
    const isLog = positive.length > 0 && (scale === "log" || (scale === "auto" && low > 0 && high / low > MANY));
    if (isLog) {
      high = Math.log10(high);
      low = Math.max(Math.log10(positive.reduce((a, b) => Math.min(a, b))), high - MAX_DECADES);
      if (high - low < 1) [low, high] = [low - (1 - high + low) / 2, high + (1 - high + low) / 2];
      [low, high] = [low - (high - low) * 0.04, high + (high - low) * 0.06];
      const pitch = Math.max(1, Math.ceil((high - low) / 6));
      const ticks = [];
      for (let k = Math.ceil(low / pitch) * pitch; k <= high; k += pitch) ticks.push([10 ** k, unrolled.powerText(k)]);
      return { isLog, low, high, ticks };
    }
    if (!values.length) [low, high] = [0, 1];
    if (high - low < Math.abs(high) * 1e-9 || high === low) [low, high] = [low - (Math.abs(low) || 1) * 0.5, high + (Math.abs(high) || 1) * 0.5];
    const room = (high - low) * 0.06;
    [low, high] = [low - room, high + room];
    return { isLog, low, high, ticks: roundTicks(low, high, 5).map((value) => [value, String(value).replace("-", "−")]) };
  }

  function drawPlot(plot, width) {
    const dark = context.theme.dark ? "dark" : "light";
    const { theme, words } = context;
    const curves = plot.curves.filter(({ scalar }) => curveOf(scalar)).map((each) => ({ ...each, colour: each.colours[dark], points: curveOf(each.scalar) }));
    const { isLog, low, high, ticks } = axisOf(plot, curves);
    const svg = svgOf("svg", { role: "img", "aria-label": plot.title, fill: theme.text, "font-family": theme.font, "font-size": TICK });
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = `${TICK}px ${theme.font}`;
    let [x, y] = [LEFT, 16];
    for (const { title, colour, dash } of curves) {
      const wide = 34 + pen.measureText(title).width + 16;
      if (x > LEFT && x + wide > width) [x, y] = [LEFT, y + 20];
      svgOf("path", { d: `M${x},${y - 4}h26`, stroke: colour, "stroke-width": 2.5, "stroke-dasharray": DASHES[dash] ?? "none", fill: "none" }, svg);
      svgOf("text", { x: x + 32, y }, svg, title);
      x += wide;
    }
    const top = y + TOP - 16, bottom = top + HEIGHT - UNDER - TOP;
    const [first, last] = [0, stepOf(store.trace.steps - 1)];
    const X = (step) => LEFT + ((step - first) / (last - first || 1)) * (width - LEFT - RIGHT);
    const Y = (value) => bottom - (((isLog ? Math.log10(value) : value) - low) / (high - low)) * (bottom - top);
    const height = bottom + UNDER;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("height", height);
    const grid = { stroke: theme.text, "stroke-opacity": 0.15 };
    for (const [value, text] of ticks) {
      svgOf("path", { d: `M${LEFT},${Y(value)}H${width - RIGHT}`, ...grid }, svg);
      svgOf("text", { x: LEFT - 7, y: Y(value) + 4, "text-anchor": "end" }, svg, text);
    }
    for (const step of roundTicks(first, last, (width - LEFT) / 90).filter(Number.isInteger)) {
      svgOf("path", { d: `M${X(step)},${top}V${bottom}`, ...grid }, svg);
      svgOf("text", { x: X(step), y: bottom + 18, "text-anchor": "middle" }, svg, step.toLocaleString("en"));
    }
    svgOf("text", { x: (LEFT + width - RIGHT) / 2, y: bottom + 38, "text-anchor": "middle" }, svg, words.training_step);
    svgOf("text", { transform: `translate(15,${(top + bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, svg, plot.title);
    if (plot.bound) {
      const [value, text] = plot.bound;
      svgOf("path", { d: `M${LEFT},${Y(value)}H${width - RIGHT}`, stroke: theme.text, "stroke-width": 1.5, "stroke-dasharray": "6 4" }, svg);
      svgOf("text", { x: width - RIGHT - 4, y: Y(value) - 5, "text-anchor": "end" }, svg, text);
    }
    const isDrawn = (value) => value !== null && Number.isFinite(value) && (!isLog || value > 0);
    const at = (value) => Math.min(Math.max(Y(value), top), bottom).toFixed(1);
    for (const { colour, dash, width: thick, points } of curves) drawCurve(svg, { colour, dash, thick, points, X, at, isDrawn, isLog, top, bottom });
    const marker = svgOf("path", { stroke: theme.accent, "stroke-width": 2 }, svg);
    const dots = svgOf("g", {}, svg);
    return { svg, marker, dots, X, at, isDrawn, curves, top, bottom, width, first, last };
  }

  function drawCurve(svg, { colour, dash, thick, points, X, at, isDrawn, isLog, top, bottom }) {
    const values = numbers(points);
    const x = points.at.map((place) => X(stepOf(place)).toFixed(1));
    if (points.low) {
      const ends = values.map((_, k) => (isDrawn(points.low[k]) && isDrawn(points.high[k]) ? `M${x[k]},${at(points.low[k])}V${at(points.high[k])}` : "")).join("");
      svgOf("path", { d: ends, stroke: colour, "stroke-opacity": 0.3, "stroke-width": 2 }, svg);
    }
    let path = "", isGap = true;
    values.forEach((value, k) => {
      const shown = isDrawn(value);
      if (shown) path += `${isGap ? "M" : "L"}${x[k]},${at(value)}`;
      isGap = !shown;
      if (!Number.isFinite(value)) {
        svgOf("path", { d: `M${x[k] - 4},${top + 1}l8,8m0,-8l-8,8`, stroke: context.palette.not_finite, "stroke-width": 2 }, svg);
      } else if (isLog && value === 0) svgOf("path", { d: `M${x[k] - 4},${bottom - 8}h8l-4,7z`, fill: colour }, svg);
    });
    svgOf("path", { d: path, fill: "none", stroke: colour, "stroke-width": thick, "stroke-linejoin": "round", "stroke-linecap": "round", "stroke-dasharray": DASHES[dash] ?? "none" }, svg);
  }

  // The place among the contained training steps that is nearest to the pointer; null beside the plot.
  function placeAt(plot, { clientX }) {
    const box = plot.svg.getBoundingClientRect();
    const across = ((clientX - box.left) * plot.width) / box.width;
    if (across < LEFT - 8 || across > plot.width) return null;
    const step = plot.first + ((across - LEFT) / (plot.width - LEFT - RIGHT)) * (plot.last - plot.first);
    const steps = plot.curves.flatMap(({ points }) => points.at);
    return steps.reduce((best, place) => (best === null || Math.abs(stepOf(place) - step) < Math.abs(stepOf(best) - step) ? place : best), null);
  }

  const valuesAt = (plot, place) => plot.curves.map((curve) => {
    const k = curve.points.at.indexOf(place);
    return { ...curve, value: k < 0 ? null : Number(curve.points.values[k]) };
  }).filter(({ value }) => value !== null);

  function listen(plot) {
    const show = (event) => {
      const place = placeAt(plot, event);
      if (place === null) return unrolled.tooltip(null);
      if (event.buttons & 1) store.set({ step: place });
      const lines = valuesAt(plot, place).map(({ title, value }) => `${title}: ${plot.isPercent ? unrolled.formatPercent(value) : unrolled.formatNumber(value)}`);
      return unrolled.tooltip([unrolled.fillTemplate(context.words.at, { token: store.trace.token(place) }), ...lines], event.clientX, event.clientY, root);
    };
    plot.svg.addEventListener("pointermove", show);
    plot.svg.addEventListener("pointerdown", (event) => { if (event.button === 0) show(event); });
    plot.svg.addEventListener("pointerleave", () => unrolled.tooltip(null));
  }

  function save(plot) {
    const copy = plot.svg.cloneNode(true);
    copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    copy.setAttribute("width", plot.width);
    const back = svgOf("rect", { width: "100%", height: "100%", fill: context.theme.background });
    copy.prepend(back);
    unrolled.saveSvg(copy, context.data.name);
  }

  return {
    layout() {
      const shown = context.data.plots.filter(({ curves }) => curves.some(({ scalar }) => curveOf(scalar)));
      const isWide = shown.length > 1 && context.width >= 760;
      root.dataset.form = isWide ? "wide" : "narrow";
      const width = isWide ? Math.floor((context.width - 24) / 2) : context.width;
      plots = shown.map((plot) => ({ ...drawPlot(plot, width), isPercent: plot.scale === "percent" }));
      root.replaceChildren(...plots.map((plot) => {
        listen(plot);
        const button = unrolled.element("button", { type: "button", className: "unrolled-save", text: context.words.save });
        button.addEventListener("click", () => save(plot));
        return unrolled.element("div", {}, plot.svg, unrolled.element("div", { className: "unrolled-foot" }, button));
      }));
    },
    frame() {
      for (const plot of plots) {
        const x = plot.X(stepOf(store.step)).toFixed(1);
        plot.marker.setAttribute("d", `M${x},${plot.top}V${plot.bottom}`);
        plot.dots.replaceChildren();
        for (const { value, colour } of valuesAt(plot, store.step)) {
          if (plot.isDrawn(value)) svgOf("circle", { cx: x, cy: plot.at(value), r: 4.5, fill: colour, stroke: context.theme.background }, plot.dots);
        }
      }
    },
    destroy: () => unrolled.tooltip(null),
  };
}

unrolled.define("training_chart", build);
