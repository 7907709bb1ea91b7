// The prediction of a classifier after the whole sequence: every class with its probability.
(unrolled.predictions ??= {}).class = (context) => {
  const { store } = context;
  const title = unrolled.element("p", { className: "unrolled-heading" });
  const list = unrolled.element("div", { className: "unrolled-bars unrolled-classes", role: "list" });
  const once = unrolled.element("p", { className: "unrolled-muted" });

  return {
    nodes: [title, list, once],
    layout() {
      const { probability } = store.trace.options;
      const names = unrolled.classNames(context);
      const best = probability.indexOf(Math.max(...probability));
      title.textContent = context.words.answers;
      once.textContent = context.words.once;
      list.replaceChildren(...probability.map((value, k) => {
        const fill = unrolled.element("i");
        fill.style.transform = `scaleX(${value === value ? value : 0})`;
        const row = unrolled.element("div", { role: "listitem", className: k === best ? "unrolled-true" : "" },
          unrolled.element("b", { text: names[k] }),
          unrolled.element("div", { className: "unrolled-track" }, fill),
          unrolled.element("span", { text: unrolled.formatPercent(value) }));
        return row;
      }));
    },
    frame() {},
    pngParts() {
      const rows = [...list.children].map((row, k) => ({
        label: row.querySelector("b").textContent, share: store.trace.options.probability[k],
        value: row.querySelector("span").textContent, strong: row.className !== "",
      }));
      return [{ text: title.textContent, strong: true }, { bars: rows }, { text: once.textContent }];
    },
  };
};
