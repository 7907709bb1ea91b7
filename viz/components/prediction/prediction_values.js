// The outputs of a network of numbers: as numbers, and as lines over all steps. If they predict the next value, the true one beside them.
(unrolled.predictions ??= {}).values = (context) => {
  const { store } = context;
  const LINES = { predicted: "┄┄ ", truth: "── ", output: "── " }; // their line styles, in the PNG
  const MAX_CHARTS = 8; // of further outputs there are numbers only
  const title = unrolled.element("p", { className: "unrolled-heading" });
  const list = unrolled.element("div", { className: "unrolled-value-charts" });
  const notDrawn = unrolled.element("p", { className: "unrolled-muted" });
  const further = unrolled.element("div", { className: "unrolled-predicted-values" });
  let outputs = [];
  let chartedTrace = null;

  const column = ({ shape: [steps, width], data }, k) => Float32Array.from({ length: steps }, (_, step) => data[step * width + k]);

  function output(k) {
    const { prediction, truth: target } = store.trace.arrays;
    const predicted = column(prediction, k);
    const truth = target ? column(target, k) : null;
    const isCharted = k < MAX_CHARTS;
    const name = () => (prediction.shape[1] > 1 || !truth ? unrolled.fillTemplate(context.words.output, { unit: k }) : "");
    const numbers = (truth ? ["predicted", "truth", "error"] : ["output"]).map((part) => ({ part, label: unrolled.element("span"), value: unrolled.element("b") }));
    const key = (part) => (isCharted && part in LINES ? [unrolled.element("i", { className: `unrolled-line-${part}` })] : []);
    const heading = unrolled.element("span");
    const text = unrolled.element("p", { className: "unrolled-predicted-values" }, ...(truth ? [heading] : []),
      ...numbers.map(({ part, label, value }) => unrolled.element("span", {}, ...key(part), label, value)));
    const at = (values, step) => values[step - store.trace.page[0]];
    // NaN in `truth`: after the last step.
    const trueAt = (step) => { const value = at(truth, step); return value === value ? value : null; };
    const valuesAt = (step) => (truth ? [at(predicted, step), trueAt(step), trueAt(step) === null ? null : at(predicted, step) - trueAt(step)] : [at(predicted, step)]);
    const label = (part) => (part === "output" ? name() : context.words[part]);
    const chart = isCharted ? unrolled.chart(context, {
      label: () => (truth ? [name(), context.words.chart].filter(Boolean).join(": ") : unrolled.fillTemplate(context.words.output_chart, { unit: k })),
      series: () => [
        ...(truth ? [{ data: truth, colour: context.theme.text, width: 1.75 }] : []),
        { data: predicted, colour: context.palette.quantity.hidden, width: 2.25, dash: truth ? [5, 4] : [] },
      ],
      describe: (step) => valuesAt(step).slice(0, 2).map((value, i) => `${label(numbers[i].part)} ${unrolled.formatNumber(value)}`).join(" · "),
    }) : null;
    return {
      numbers, chart, name, valuesAt, label,
      relabel() {
        heading.textContent = name();
        heading.hidden = !name();
        for (const { part, label: node } of numbers) node.textContent = label(part);
      },
      node: unrolled.element("div", {}, text, ...(chart ? [chart.element] : [])),
    };
  }

  return {
    nodes: [title, list, notDrawn, further],
    layout() {
      list.style.setProperty("--unrolled-predicted", context.palette.quantity.hidden);
      if (chartedTrace !== store.trace) {
        chartedTrace = store.trace;
        outputs = Array.from({ length: store.trace.arrays.prediction.shape[1] }, (_, k) => output(k));
        list.replaceChildren(...outputs.slice(0, MAX_CHARTS).map((each) => each.node));
        further.replaceChildren(...outputs.slice(MAX_CHARTS).map((each) => each.node));
      }
      title.textContent = store.trace.arrays.truth ? context.words.next_value : context.words.outputs;
      notDrawn.textContent = unrolled.fillTemplate(context.words.not_drawn, { shown: MAX_CHARTS, count: outputs.length });
      notDrawn.hidden = further.hidden = outputs.length <= MAX_CHARTS;
      for (const each of outputs) {
        each.relabel();
        each.chart?.layout();
      }
    },
    frame() {
      for (const { numbers, chart, valuesAt } of outputs) {
        valuesAt(store.step).forEach((number, k) => { numbers[k].value.textContent = unrolled.formatNumber(number); });
        chart?.frame();
      }
    },
    pngParts: () => [{ text: title.textContent, strong: true }, ...outputs.flatMap(({ numbers, chart, name }) => [
      { text: [numbers.length > 1 ? name() : "", ...numbers.map(({ part, label, value }) => `${chart ? LINES[part] ?? "" : ""}${label.textContent} ${value.textContent}`)].filter(Boolean).join("   ") },
      ...(chart ? chart.pngParts() : []),
    ])],
  };
};
