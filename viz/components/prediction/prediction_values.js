// The predicted and the true next value, as numbers and as lines over all steps.
(unrolled.predictions ??= {}).values = (context) => {
  const { store } = context;
  const LINES = { predicted: "┄┄ ", truth: "── ", error: "" }; // their line styles, in the PNG
  const MAX_CHARTS = 4; // further outputs are in the number mirror
  const title = unrolled.element("p", { className: "unrolled-heading" });
  const list = unrolled.element("div", { className: "unrolled-value-charts" });
  let outputs = [];
  let chartedTrace = null;

  const column = ({ shape: [steps, width], data }, k) => Float32Array.from({ length: steps }, (_, step) => data[step * width + k]);

  function output(k) {
    const predicted = column(store.trace.arrays.prediction, k);
    const truth = column(store.trace.arrays.truth, k);
    const numbers = ["predicted", "truth", "error"].map((name) => ({ name, label: unrolled.element("span"), value: unrolled.element("b") }));
    const key = (name) => unrolled.element("i", { className: `unrolled-line-${name}` });
    const text = unrolled.element("p", { className: "unrolled-predicted-values" },
      ...numbers.map(({ name, label, value }) => unrolled.element("span", {}, ...(name === "error" ? [] : [key(name)]), label, value)));
    const valueAt = (values, step) => {
      const value = values[step - store.trace.page[0]];
      return unrolled.formatNumber(values === truth && value !== value ? null : value);
    };
    const describe = (step) => `${context.words.predicted} ${valueAt(predicted, step)} · ${context.words.truth} ${valueAt(truth, step)}`;
    const chart = unrolled.chart(context, {
      label: () => context.words.chart,
      series: () => [
        { data: truth, colour: context.theme.text, width: 1.75 },
        { data: predicted, colour: context.palette.quantity.hidden, width: 2.25, dash: [5, 4] },
      ],
      describe,
    });
    return { predicted, truth, numbers, chart, node: unrolled.element("div", {}, text, chart.element) };
  }

  return {
    nodes: [title, list],
    layout() {
      list.style.setProperty("--unrolled-predicted", context.palette.quantity.hidden);
      if (chartedTrace !== store.trace) {
        chartedTrace = store.trace;
        const count = Math.min(store.trace.arrays.prediction.shape[1], MAX_CHARTS);
        outputs = Array.from({ length: count }, (_, k) => output(k));
        list.replaceChildren(...outputs.map((each) => each.node));
      }
      title.textContent = context.words.next_value;
      for (const each of outputs) each.chart.layout();
    },
    frame() {
      for (const { predicted, truth, numbers, chart } of outputs) {
        const [p, t] = [predicted, truth].map((values) => values[store.step - store.trace.page[0]]);
        const actual = t === t ? t : null; // after the last step
        [p, actual, actual === null ? null : p - t].forEach((number, k) => {
          numbers[k].label.textContent = context.words[numbers[k].name];
          numbers[k].value.textContent = unrolled.formatNumber(number);
        });
        chart.frame();
      }
    },
    pngParts: () => [{ text: title.textContent, strong: true }, ...outputs.flatMap(({ numbers, chart }) => [
      { text: numbers.map(({ name, label, value }) => `${LINES[name]}${label.textContent} ${value.textContent}`).join("   ") }, ...chart.pngParts(),
    ])],
  };
};
