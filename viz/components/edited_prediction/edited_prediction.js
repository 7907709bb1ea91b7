// A prediction before and after an edit: two bars for each symbol, value or class, and a chart over all steps of what really came next.
const SIDES = ["before", "after"];

function build(context) {
  const { root, store } = context;
  const MAX_CHARTS = 8; // of values; all values are in the rows
  const title = unrolled.element("p", { className: "unrolled-heading" });
  const key = unrolled.element("p", { className: "unrolled-muted unrolled-edited-prediction-key", "aria-hidden": "true" });
  const list = unrolled.element("div", { className: "unrolled-edited-prediction-rows", role: "list" });
  const charts = unrolled.element("div", { className: "unrolled-value-charts" });
  const notDrawn = unrolled.element("p", { className: "unrolled-muted" });
  root.append(unrolled.element("div", {}, title, key, list), charts, notDrawn);
  let rows = [], drawnCharts = [], charted = "";

  const colour = (side) => context.data.colours[context.theme.dark ? "dark" : "light"][SIDES.indexOf(side)];
  const column = ({ shape: [steps, width = 1], data }, k) => Float32Array.from({ length: steps }, (_, step) => data[step * width + k]);
  // A probability has three decimals.
  const format = (value) => (value === null ? "–" : !Number.isFinite(value) ? unrolled.formatNumber(value) : store.trace.predicts === "values" ? unrolled.formatNumber(value, 3) : value.toFixed(3).replace("-", "−"));
  const formatChange = (value) => { const text = format(value); return /[1-9]/.test(text) ? (value > 0 ? "+" : "") + text : text.replace("−", ""); };

  function row(quantity) {
    const number = (side) => unrolled.element("span", { "data-quantity": `${quantity}_${side}` });
    const parts = { name: unrolled.element("b"), before: number("before"), after: number("after"), change: number("change") };
    const bars = SIDES.map((side) => {
      const bar = unrolled.element("i");
      bar.style.background = colour(side);
      return bar;
    });
    const track = unrolled.element("div", { className: "unrolled-edited-prediction-track", "aria-hidden": "true" }, ...bars);
    const arrow = unrolled.element("span", { text: "→" });
    return { ...parts, bars, node: unrolled.element("div", { role: "listitem" }, parts.name, track, parts.before, arrow, parts.after, parts.change) };
  }

  function show(each, name, before, after, attributes, hasBars = true) {
    each.name.textContent = name;
    [before, after].forEach((value, k) => { each.bars[k].style.transform = `scaleX(${hasBars && Number.isFinite(value) ? value : 0})`; });
    const inserted = store.trace.options.inserted?.steps.includes(store.step) && store.trace.predicts !== "class";
    for (const [side, value] of [["before", before], ["after", after], ["change", after - before]]) {
      const cell = each[side];
      Object.assign(cell.dataset, attributes, { step: store.step, layer: store.trace.layer, value: String(value) });
      const shown = inserted && side !== "after" ? null : value;
      cell.textContent = side === "change" && shown !== null ? formatChange(shown) : format(shown);
    }
  }

  // A chart over all steps of a value before and after, and of the true one; each a function, as the trace changes.
  function curves(label, before, after, truth = null, low = truth ? null : 0) {
    return unrolled.chart(context, {
      label,
      low,
      series: () => [
        ...(truth ? [{ data: truth(), colour: context.theme.text, dash: [2, 3], width: 1.5 }] : []),
        { data: before(), colour: colour("before"), width: 2 },
        { data: after(), colour: colour("after"), dash: [5, 4], width: 2 },
      ],
      describe: (step) => `${context.words.before} ${unrolled.formatNumber(store.trace.options.inserted?.steps.includes(step) ? null : before()[step])} · ${context.words.after} ${unrolled.formatNumber(after()[step])}`,
    });
  }
  const valueLabel = (k) => () => {
    const { words } = context;
    if (!store.trace.arrays.truth) return unrolled.fillTemplate(words.output_chart, { unit: k });
    return rows.length > 1 ? `${unrolled.fillTemplate(words.output, { unit: k })}: ${words.values}` : words.values;
  };
  const part = (name, k = 0) => () => column(store.trace.arrays[name], k);

  // Where the network generates the next tokens itself, they have other words.
  const wordsOf = (name) => (store.trace.options.generates && context.words[`generated_${name}`]) || context.words[name];

  // The most probable symbols, or classes of the step; `words` has the names of the heading, of the chart and of the marked row.
  function likeliest({ heading, chart, marked }, nameOf) {
    return {
      rows: () => store.trace.arrays.pair_token.shape[1],
      quantity: "probability",
      charts: () => [curves(() => wordsOf(chart), part("next_before"), part("next_after"))],
      show(step) {
        const { trace } = store;
        const { pair_token: ids, pair_before: before, pair_after: after, next_token: next } = trace.arrays;
        title.textContent = unrolled.fillTemplate(context.words[heading], { step: step + 1, token: unrolled.displayToken(trace.tokens[step]) });
        rows.forEach((each, k) => {
          const at = step * rows.length + k, id = ids.data[at];
          each.node.hidden = id < 0;
          if (id < 0) return;
          const token = nameOf(id);
          show(each, unrolled.displayToken(token), before.data[at], after.data[at], { token });
          const isMarked = marked && id === next.data[step];
          each.node.classList.toggle("unrolled-true", Boolean(isMarked));
          each.node.title = isMarked ? wordsOf(marked) : "";
        });
      },
    };
  }

  const forms = {
    symbols: likeliest({ heading: "expected", chart: "next", marked: "true" }, (id) => store.trace.vocabulary[id]),
    tags: likeliest({ heading: "class_at", chart: "class_before", marked: null }, (id) => unrolled.classNames(context)[id]),
    values: {
      rows: () => store.trace.arrays.value_after.shape[1],
      quantity: "prediction",
      charts: () => Array.from({ length: Math.min(rows.length, MAX_CHARTS) }, (_, k) =>
        curves(valueLabel(k), part("value_before", k), part("value_after", k), store.trace.arrays.truth ? part("truth", k) : null, null)),
      show(step) {
        const { value_before: before, value_after: after } = store.trace.arrays;
        title.textContent = unrolled.fillTemplate(store.trace.arrays.truth ? context.words.value_after : context.words.outputs_after, { step: step + 1 });
        rows.forEach((each, k) => show(each, rows.length > 1 ? String(k) : "", before.data[step * rows.length + k], after.data[step * rows.length + k], { unit: k }, false));
      },
    },
    class: {
      rows: () => store.trace.options.class_after.length,
      quantity: "probability",
      charts: () => [],
      show() {
        const { class_before: before, class_after: after } = store.trace.options;
        title.textContent = context.words.answers;
        const names = unrolled.classNames(context);
        rows.forEach((each, k) => show(each, names[k], before[k], after[k], { token: names[k] }));
      },
    },
  };

  return {
    layout() {
      const form = forms[store.trace.predicts];
      root.hidden = !form;
      if (!form) return;
      rows = Array.from({ length: form.rows() }, () => row(form.quantity));
      list.replaceChildren(...rows.map((each) => each.node));
      list.classList.toggle("unrolled-edited-prediction-values", store.trace.predicts === "values");
      key.replaceChildren(...SIDES.map((side) => {
        const swatch = unrolled.element("i");
        swatch.style.borderTop = `3px ${side === "before" ? "solid" : "dashed"} ${colour(side)}`;
        return unrolled.element("span", {}, swatch, context.words[side]);
      }));
      const wanted = `${store.trace.predicts} ${rows.length} ${Boolean(store.trace.arrays.truth)}`;
      if (charted !== wanted) {
        charted = wanted;
        drawnCharts = form.charts();
        charts.replaceChildren(...drawnCharts.map((each) => each.element));
      }
      notDrawn.hidden = store.trace.predicts !== "values" || rows.length <= MAX_CHARTS;
      notDrawn.textContent = unrolled.fillTemplate(context.words.not_drawn, { shown: MAX_CHARTS, count: rows.length });
      for (const chart of drawnCharts) chart.layout();
    },
    frame() {
      forms[store.trace.predicts]?.show(store.step);
      for (const chart of drawnCharts) chart.frame();
    },
    destroy: () => unrolled.tooltip(null),
  };
}

unrolled.define("edited_prediction", build);
