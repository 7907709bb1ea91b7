// Top next symbols as bars, and the surprise of the true ones as a chart over all steps.
(unrolled.predictions ??= {}).symbols = (context) => {
  const { store } = context;
  const title = unrolled.element("p", { className: "unrolled-heading" });
  const list = unrolled.element("div", { className: "unrolled-bars", role: "list" });
  const bits = unrolled.element("p", { className: "unrolled-bits" });
  const chart = unrolled.chart(context, {
    label: () => context.words.surprise_chart,
    series: () => [{ data: store.trace.arrays.surprise.data, bars: true }],
    low: 0,
    describe: (step) => unrolled.fill(context.words.bits_at, { bits: unrolled.number(store.trace.row("surprise", step)?.[0]) }),
  });
  let rows = [];
  let charted = false;

  const percent = (p) => (p !== p ? "–" : p >= 0.9995 ? "100%" : p < 0.0005 ? "<0.1%" : `${(p * 100).toFixed(1)}%`);
  const symbol = (id) => unrolled.token(store.trace.vocabulary?.[id] ?? String(id));

  // The bars start at one place whatever the step, so that stepping does not shake them.
  function widest() {
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = `600 17px ${context.theme.code}, ${context.theme.font}`;
    const { top_token: top, next_token: next } = store.trace.arrays;
    const ids = new Set([...(top?.data ?? []), ...(next?.data ?? [])].filter((id) => id >= 0));
    return Math.min(Math.max(38, ...[...ids].map((id) => pen.measureText(symbol(id)).width + 14)), context.width / 3);
  }

  function row() {
    const parts = { token: unrolled.element("b"), fill: unrolled.element("i"), chance: unrolled.element("span"), mark: unrolled.element("em") };
    const track = unrolled.element("div", { className: "unrolled-track" }, parts.fill);
    return { ...parts, node: unrolled.element("div", { role: "listitem" }, parts.token, track, parts.chance, parts.mark) };
  }

  function show({ node, token, fill, chance, mark }, id, p, isTrue, remark) {
    token.textContent = symbol(id);
    fill.style.transform = `scaleX(${p === p ? p : 0})`;
    chance.textContent = percent(p);
    mark.textContent = isTrue ? `✓ ${remark}` : "";
    node.classList.toggle("unrolled-true", isTrue);
  }

  return {
    nodes: [title, list, bits, chart.element],
    layout() {
      const { trace } = store;
      rows = Array.from({ length: trace.top }, row);
      list.replaceChildren(...rows.map((each) => each.node));
      list.style.setProperty("--unrolled-token", `${widest()}px`);
      charted = trace.arrays.surprise?.data.some(Number.isFinite) ?? false;
      chart.element.hidden = !charted;
      if (charted) chart.layout();
    },
    frame() {
      const { trace, step } = store;
      const { words } = context;
      const [ids, chances, next, nextChance, surprise] = ["top_token", "top_probability", "next_token", "next_probability", "surprise"]
        .map((name) => trace.row(name, step));
      const truth = next?.[0] ?? -1;
      const first = [...ids];
      // A true next symbol that is not among the first takes the last row.
      const below = truth >= 0 && !first.includes(truth);
      rows.forEach((each, k) => {
        const last = below && k === rows.length - 1;
        const id = last ? truth : first[k];
        const chance = last ? (nextChance?.[0] ?? NaN) : chances[k];
        each.node.classList.toggle("unrolled-below", last);
        show(each, id, chance, id === truth, words.true);
      });
      title.textContent = unrolled.fill(words.after, { token: unrolled.token(trace.token(step)) });
      bits.textContent = truth < 0 || !surprise ? words.no_next
        : unrolled.fill(words.surprise, { bits: unrolled.number(surprise[0], 3) });
      if (charted) chart.frame();
    },
    parts() {
      const bars = rows.map(({ node, token, fill, chance, mark }) => ({
        label: token.textContent, share: Number.parseFloat(fill.style.transform.slice("scaleX(".length)),
        told: chance.textContent, mark: mark.textContent, strong: node.classList.contains("unrolled-true"),
      }));
      return [{ text: title.textContent, strong: true }, { bars }, { text: bits.textContent }, ...(charted ? chart.parts() : [])];
    },
  };
};

// A small chart over all steps with the current step marked; click or drag goes there.
//   series(): [{data: (T,) numbers, bars: true} or {data, colour, dash, width}]; low: the axis's start, if fixed
unrolled.chart ??= (context, { label, series, low = null, describe }) => {
  const { root, store } = context;
  const HEIGHT = 84, GUTTER = 46, TOP = 10, FOOT = 20;
  const canvas = unrolled.element("canvas", { role: "img" });
  const now = unrolled.element("div", { className: "unrolled-chart-now" });
  const caption = unrolled.element("p", { className: "unrolled-quiet" });
  const plot = unrolled.element("div", { className: "unrolled-chart-plot" }, canvas, now);
  const element = unrolled.element("div", { className: "unrolled-chart" }, caption, plot);
  let width = 0;
  let [begin, count] = [0, 1]; // the steps that are drawn: those of the page
  const x = (step) => GUTTER + ((step - begin + 0.5) / count) * width;

  function layout() {
    const { theme } = context;
    const [first, end] = store.trace.page;
    [begin, count] = [first, end - first];
    width = context.width - GUTTER - 2;
    caption.textContent = label();
    canvas.setAttribute("aria-label", label());
    const lines = series();
    let [least, most] = [low ?? Infinity, -Infinity];
    for (const { data } of lines) {
      for (const value of data) {
        if (!Number.isFinite(value)) continue;
        if (value < least) least = value;
        if (value > most) most = value;
      }
    }
    if (!(most > least)) [least, most] = [Number.isFinite(least) ? least : 0, (Number.isFinite(least) ? least : 0) + 1];
    const y = (value) => TOP + (1 - (value - least) / (most - least)) * HEIGHT;
    const pen = unrolled.size(canvas, context.width, TOP + HEIGHT + FOOT);
    pen.font = `13px ${theme.font}`;
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    pen.fillStyle = pen.strokeStyle = theme.text;
    for (const value of [least, most]) {
      pen.globalAlpha = 0.75;
      pen.fillText(unrolled.number(value, 2), GUTTER - 6, y(value));
      pen.globalAlpha = 0.18;
      pen.fillRect(GUTTER, Math.round(y(value)), width, 1);
    }
    pen.globalAlpha = 0.75;
    pen.textAlign = "center";
    pen.textBaseline = "top";
    for (const past of unrolled.raster.ticks(count, width / 56, begin + 1)) {
      const step = begin + past;
      pen.fillText(step + 1, Math.min(x(step), GUTTER + width - pen.measureText(step + 1).width / 2), TOP + HEIGHT + 5);
    }
    for (const { data, bars, colour, dash, width: thick } of lines) {
      pen.globalAlpha = bars ? 0.6 : 1;
      pen.beginPath();
      if (bars) {
        // With more steps than pixels the bars overlap, and the tallest one is what remains to be seen.
        const wide = Math.max((width / count) * 0.8, 1);
        for (let k = 0; k < count; k++) if (data[k] === data[k]) pen.rect(x(begin + k) - wide / 2, y(data[k]), wide, y(least) - y(data[k]));
        pen.fill();
        continue;
      }
      pen.strokeStyle = colour;
      pen.lineWidth = thick ?? 2;
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
    now.style.height = `${HEIGHT + 4}px`;
    now.style.width = `${wide()}px`;
  }

  const at = (event) => {
    const place = (event.clientX - canvas.getBoundingClientRect().left - GUTTER) / width;
    return place < 0 || place >= 1 ? -1 : begin + Math.floor(place * count);
  };
  context.on(plot, "pointermove", (event) => {
    const step = store.trace ? at(event) : -1;
    if (step < 0) return unrolled.note(null);
    if (event.buttons & 1) store.set({ step });
    const token = unrolled.token(store.trace.token(step));
    unrolled.note([describe(step), unrolled.fill(context.words.step_token, { step: step + 1, token })], event.clientX, event.clientY, root);
  });
  context.on(plot, "pointerleave", () => unrolled.note(null));
  context.on(plot, "pointerdown", (event) => {
    const step = store.trace && event.button === 0 ? at(event) : -1;
    if (step >= 0) store.set({ step });
  });

  const wide = () => Math.max(width / count, 2) + 2;
  return {
    element,
    layout,
    frame() {
      now.style.transform = `translate(${x(store.step) - wide() / 2}px, ${TOP - 2}px)`;
    },
    parts: () => [{ text: caption.textContent }, { chart: { canvas, now: [x(store.step) - wide() / 2, TOP - 2, wide(), HEIGHT + 4] } }],
  };
};
