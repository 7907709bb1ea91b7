// The prediction of a tagger: the most probable classes of the current step, and over all steps the probability of the best one.
(unrolled.predictions ??= {}).tags = (context) => {
  const { store } = context;
  const title = unrolled.element("p", { className: "unrolled-heading" });
  const list = unrolled.element("div", { className: "unrolled-bars unrolled-classes", role: "list" });
  const name = (id) => unrolled.classNames(context)[id] ?? String(id);
  const best = () => {
    const { data, shape: [steps, width] } = store.trace.arrays.top_probability;
    return Float32Array.from({ length: steps }, (_, step) => data[step * width]);
  };
  const chart = unrolled.chart(context, {
    label: () => context.words.class_chart,
    series: () => [{ data: best(), bars: true }],
    low: 0,
    describe: (step) => `${name(store.trace.row("top_token", step)?.[0] ?? -1)} ${unrolled.formatPercent(store.trace.row("top_probability", step)?.[0])}`,
  });
  let rows = [];

  return {
    nodes: [title, list, chart.element],
    layout() {
      rows = Array.from({ length: store.trace.top }, () => {
        const parts = { name: unrolled.element("b"), fill: unrolled.element("i"), probability: unrolled.element("span") };
        const track = unrolled.element("div", { className: "unrolled-track" }, parts.fill);
        return { ...parts, share: 0, node: unrolled.element("div", { role: "listitem" }, parts.name, track, parts.probability) };
      });
      list.replaceChildren(...rows.map((each) => each.node));
      rows[0]?.node.classList.add("unrolled-true");
      chart.layout();
    },
    frame() {
      const { trace, step } = store;
      const [ids, probabilities] = ["top_token", "top_probability"].map((each) => trace.row(each, step));
      rows.forEach((each, k) => {
        each.share = Number.isFinite(probabilities[k]) ? probabilities[k] : 0;
        each.name.textContent = name(ids[k]);
        each.fill.style.transform = `scaleX(${each.share})`;
        each.probability.textContent = unrolled.formatPercent(probabilities[k]);
      });
      title.textContent = unrolled.fillTemplate(context.words.class_at, { step: step + 1, token: unrolled.displayToken(trace.token(step)) });
      chart.frame();
    },
    pngParts() {
      const bars = rows.map(({ node, name: label, share, probability }) => ({
        label: label.textContent, share, value: probability.textContent, strong: node.classList.contains("unrolled-true"),
      }));
      return [{ text: title.textContent, strong: true }, { bars }, ...chart.pngParts()];
    },
  };
};
