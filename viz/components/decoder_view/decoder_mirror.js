// The attention at the current step as text, for screen readers and for tests.
unrolled.decoderMirror ??= (context) => {
  const { store } = context;
  const selection = unrolled.attentionSelection;
  const element = unrolled.element("div", { className: "unrolled-hidden unrolled-mirror" });
  let soon = 0;

  function fill() {
    soon = 0;
    const { trace, step } = store;
    if (!trace) return;
    const { words } = context;
    const { arrays, options } = trace;
    const item = (quantity, text, value, attributes) => unrolled.element("span", {
      role: "listitem", "data-quantity": quantity, "data-layer": trace.layer, "data-step": step, "data-value": String(value), ...attributes,
      text: `${text}: ${unrolled.formatNumber(value)}`,
    });
    const list = (label, items) => unrolled.element("div", { role: "list", "aria-label": label }, ...items);
    const each = (name) => Array.from(selection.row(arrays[name], step));
    element.replaceChildren(
      unrolled.element("p", { text: unrolled.fillTemplate(words.mirror, { step: step + 1, steps: trace.steps, token: unrolled.displayToken(trace.tokens[step]) }) }),
      list(words.rows.score, each("attention_score").map((value, k) => item("attention_score", unrolled.displayToken(options.source[k]), value, { "data-source": k }))),
      list(words.query, each("query").map((value, k) => item("query", String(k), value, { "data-unit": k }))),
      list(words.context, each("context").map((value, k) => item("context", String(k), value, { "data-unit": k }))),
      list(words.next, each("probability").map((value, k) =>
        item("probability", unrolled.displayToken(trace.vocabulary[k]), value, { "data-token": trace.vocabulary[k] }))),
    );
  }

  return {
    element,
    fillLater() { if (!soon) soon = setTimeout(fill, 0); },
    destroy: () => clearTimeout(soon),
  };
};
