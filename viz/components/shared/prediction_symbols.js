// The most probable next symbols as bars, and the surprisal of the true ones as a chart over all steps.
(unrolled.predictions ??= {}).symbols = (context) => {
  const { store } = context;
  const title = unrolled.element("p", { className: "unrolled-heading" });
  const list = unrolled.element("div", { className: "unrolled-bars", role: "list" });
  const surprisal = unrolled.element("p", { className: "unrolled-surprisal" });
  const chart = unrolled.chart(context, {
    label: () => context.words.surprise_chart,
    series: () => [{ data: store.trace.arrays.surprise.data, bars: true }],
    low: 0,
    describe: (step) => unrolled.fillTemplate(context.words.bits_at, { bits: unrolled.formatNumber((store.trace.row("next_token", step)?.[0] ?? -1) < 0 ? null : store.trace.row("surprise", step)?.[0]) }),
  });
  let rows = [];
  let charted = false;

  const symbol = (id) => unrolled.displayToken(store.trace.vocabulary?.[id] ?? String(id));

  // The width of the widest symbol of all steps: the bars start at the same place at every step.
  function tokenWidth() {
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = `600 17px ${context.theme.code}, ${context.theme.font}`;
    const { top_token: top, next_token: next } = store.trace.arrays;
    const ids = new Set([...(top?.data ?? []), ...(next?.data ?? [])].filter((id) => id >= 0));
    return Math.min(Math.max(38, ...[...ids].map((id) => pen.measureText(symbol(id)).width + 14)), context.width / 3);
  }

  function row() {
    const parts = { token: unrolled.element("b"), fill: unrolled.element("i"), probability: unrolled.element("span"), mark: unrolled.element("em") };
    const track = unrolled.element("div", { className: "unrolled-track" }, parts.fill);
    return { ...parts, node: unrolled.element("div", { role: "listitem" }, parts.token, track, parts.probability, parts.mark) };
  }

  function show({ node, token, fill, probability, mark }, id, p, isTrue, remark) {
    token.textContent = symbol(id);
    fill.style.transform = `scaleX(${Number.isFinite(p) ? p : 0})`;
    probability.textContent = unrolled.formatPercent(p);
    mark.textContent = isTrue ? `✓ ${remark}` : "";
    node.classList.toggle("unrolled-true", isTrue);
  }

  return {
    nodes: [title, list, surprisal, chart.element],
    layout() {
      const { trace } = store;
      rows = Array.from({ length: trace.top }, row);
      list.replaceChildren(...rows.map((each) => each.node));
      list.style.setProperty("--unrolled-token", `${tokenWidth()}px`);
      charted = trace.arrays.surprise?.data.some(Number.isFinite) ?? false;
      chart.element.hidden = !charted;
      if (charted) chart.layout();
    },
    frame() {
      const { trace, step } = store;
      const { words } = context;
      const { generates } = trace.options;
      const [ids, probabilities, next, nextProbability, surprise] = ["top_token", "top_probability", "next_token", "next_probability", "surprise"]
        .map((name) => trace.row(name, step));
      const truth = next?.[0] ?? -1;
      const top = [...ids];
      // A true next symbol that is not among the top ones takes the last row.
      const isBelow = truth >= 0 && !top.includes(truth);
      rows.forEach((each, k) => {
        const isTruth = isBelow && k === rows.length - 1;
        const id = isTruth ? truth : top[k];
        const probability = isTruth ? (nextProbability?.[0] ?? null) : probabilities[k];
        each.node.classList.toggle("unrolled-after-gap", isTruth);
        show(each, id, probability, id === truth, generates ? words.generated : words.true);
      });
      title.textContent = unrolled.fillTemplate(words.after, { token: unrolled.displayToken(trace.token(step)) });
      surprisal.textContent = truth < 0 || !surprise ? words.no_next
        : unrolled.fillTemplate(generates ? words.generated_surprise : words.surprise, { bits: unrolled.formatNumber(surprise[0], 3) });
      if (charted) chart.frame();
    },
    pngParts() {
      const bars = rows.map(({ node, token, fill, probability, mark }) => ({
        label: token.textContent, share: Number.parseFloat(fill.style.transform.slice("scaleX(".length)),
        value: probability.textContent, mark: mark.textContent, strong: node.classList.contains("unrolled-true"),
      }));
      return [{ text: title.textContent, strong: true }, { bars }, { text: surprisal.textContent }, ...(charted ? chart.pngParts() : [])];
    },
  };
};

// A small chart over all steps with a marker at the current step; a click or drag moves it.
//   series(): [{data: (T,) numbers, bars: true} or {data, colour, dash, width}]; low: the lower bound of the axis, or null for the smallest value
unrolled.chart ??= (context, { label, series, low = null, describe }) => {
  const { root, store } = context;
  const HEIGHT = 84, LEFT = 46, TOP = 10, BOTTOM = 20;
  const canvas = unrolled.element("canvas", { role: "img" });
  const marker = unrolled.element("div", { className: "unrolled-chart-marker" });
  const caption = unrolled.element("p", { className: "unrolled-muted" });
  const plot = unrolled.element("div", { className: "unrolled-chart-plot" }, canvas, marker);
  const element = unrolled.element("div", { className: "unrolled-chart" }, caption, plot);
  let width = 0;
  let [begin, count] = [0, 1]; // the first step drawn and their number: those of the trace's page
  const x = (step) => LEFT + ((step - begin + 0.5) / count) * width;

  function layout() {
    const { theme } = context;
    const [first, end] = store.trace.page;
    [begin, count] = [first, end - first];
    width = context.width - LEFT - 2;
    caption.textContent = label();
    canvas.setAttribute("aria-label", label());
    const lines = series();
    let [min, max] = [low ?? Infinity, -Infinity];
    for (const { data } of lines) {
      for (const value of data) {
        if (!Number.isFinite(value)) continue;
        if (value < min) min = value;
        if (value > max) max = value;
      }
    }
    if (!(max > min)) [min, max] = [Number.isFinite(min) ? min : 0, (Number.isFinite(min) ? min : 0) + 1];
    const y = (value) => TOP + (1 - (value - min) / (max - min)) * HEIGHT;
    const pen = unrolled.sizeCanvas(canvas, context.width, TOP + HEIGHT + BOTTOM);
    pen.font = `13px ${theme.font}`;
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    pen.fillStyle = pen.strokeStyle = theme.text;
    for (const value of [min, max]) {
      pen.globalAlpha = 0.75;
      pen.fillText(unrolled.formatNumber(value, 2), LEFT - 6, y(value));
      pen.globalAlpha = 0.18;
      pen.fillRect(LEFT, Math.round(y(value)), width, 1);
    }
    pen.globalAlpha = 0.75;
    pen.textAlign = "center";
    pen.textBaseline = "top";
    for (const index of unrolled.raster.ticks(count, width / 56, begin + 1)) {
      const step = begin + index;
      pen.fillText(step + 1, Math.min(x(step), LEFT + width - pen.measureText(step + 1).width / 2), TOP + HEIGHT + 5);
    }
    for (const { data, bars, colour, dash, width: lineWidth } of lines) {
      pen.globalAlpha = bars ? 0.6 : 1;
      pen.beginPath();
      if (bars) {
        // With more steps than pixels the bars overlap; the tallest one remains visible.
        const barWidth = Math.max((width / count) * 0.8, 1);
        for (let k = 0; k < count; k++) if (data[k] === data[k]) pen.rect(x(begin + k) - barWidth / 2, y(data[k]), barWidth, y(min) - y(data[k]));
        pen.fill();
        continue;
      }
      pen.strokeStyle = colour;
      pen.lineWidth = lineWidth ?? 2;
      pen.setLineDash(dash ?? []);
      let drawing = false;
      for (let k = 0; k < count; k++) {
        if (data[k] !== data[k]) { drawing = false; continue; }
        if (drawing) pen.lineTo(x(begin + k), y(data[k])); else pen.moveTo(x(begin + k), y(data[k]));
        drawing = true;
      }
      pen.stroke();
    }
    pen.globalAlpha = 1;
    pen.setLineDash([]);
    marker.style.height = `${HEIGHT + 4}px`;
    marker.style.width = `${markerWidth()}px`;
  }

  // The step under the pointer; -1 for none.
  const stepAt = (event) => {
    const fraction = (event.clientX - canvas.getBoundingClientRect().left - LEFT) / width;
    return fraction < 0 || fraction >= 1 ? -1 : begin + Math.floor(fraction * count);
  };
  context.on(plot, "pointermove", (event) => {
    const step = store.trace ? stepAt(event) : -1;
    if (step < 0) return unrolled.tooltip(null);
    if (event.buttons & 1) store.set({ step });
    const token = unrolled.displayToken(store.trace.token(step));
    unrolled.tooltip([describe(step), unrolled.fillTemplate(context.words.step_token, { step: step + 1, token })], event.clientX, event.clientY, root);
  });
  context.on(plot, "pointerleave", () => unrolled.tooltip(null));
  context.on(plot, "pointerdown", (event) => {
    const step = store.trace && event.button === 0 ? stepAt(event) : -1;
    if (step >= 0) store.set({ step });
  });

  const markerWidth = () => Math.max(width / count, 2) + 2;
  return {
    element,
    layout,
    frame() {
      marker.style.transform = `translate(${x(store.step) - markerWidth() / 2}px, ${TOP - 2}px)`;
    },
    pngParts: () => [{ text: caption.textContent }, { chart: { canvas, marker: [x(store.step) - markerWidth() / 2, TOP - 2, markerWidth(), HEIGHT + 4] } }],
  };
};
