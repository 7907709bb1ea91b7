// The number mirror: the values that the canvases show at the current step, as text for screen readers and for tests. It is filled
// after the frame has been painted, so that it does not slow stepping down.
unrolled.numberMirror = (context) => {
  const { store } = context;
  const MAX_UNITS_AT_ONCE = 512; // of a larger layer, the chosen unit is filled at once, the others when stepping has paused
  const caption = unrolled.element("p");
  const table = unrolled.element("div", { role: "table" });
  const others = unrolled.element("div", { role: "list" });
  const element = unrolled.element("div", { className: "unrolled-hidden unrolled-mirror" }, caption, table, others);

  let cells = []; // cells[unit][k]: the element of the k-th quantity
  let builtTrace = null;
  let builtFor = ""; // what the elements depend on
  let soon = 0, whenPaused = 0;
  const channel = new MessageChannel();

  const written = new WeakMap(); // element -> the value and the step that it has
  const setValue = (cell, value, step) => {
    const had = written.get(cell) ?? {};
    if (had.step !== step) cell.dataset.step = step;
    if (!Object.is(had.value, value)) {
      cell.dataset.value = String(value);
      cell.textContent = unrolled.formatNumber(value);
    }
    written.set(cell, Object.assign(had, { value, step }));
  };

  function build() {
    const { trace } = store;
    const { words } = context;
    builtTrace = trace;
    const name = (quantity) => words.quantities[quantity] ?? quantity;
    const widths = trace.quantities.map((quantity) => [name(quantity), trace.arrays[quantity]?.shape[1], trace.arrays[`column:${quantity}`]?.shape[1]]);
    const needed = JSON.stringify([trace.layer, trace.units, trace.unit_names, words.unit, trace.quantities, widths, trace.excerpt?.columns]);
    if (needed === builtFor) return; // another run of the same layer: the elements stay
    builtFor = needed;
    const head = unrolled.element("div", { role: "row" },
      unrolled.element("span", { role: "columnheader", text: words.unit }),
      ...trace.quantities.map((quantity) => unrolled.element("span", { role: "columnheader", text: name(quantity) })));
    cells = Array.from({ length: trace.units }, (_, unit) => trace.quantities.map((quantity) =>
      trace.has(quantity, unit)
        ? unrolled.element("span", { role: "cell", "data-quantity": quantity, "data-layer": trace.layer, "data-unit": unit })
        : null));
    const rows = cells.flatMap((row, unit) => (row.some(Boolean) ? [unrolled.element("div", { role: "row" },
      unrolled.element("span", { role: "rowheader", text: trace.unit_names?.[unit] ?? String(unit) }), ...row.filter(Boolean))] : []));
    table.replaceChildren(head, ...rows);
    table.setAttribute("aria-label", trace.layer);
  }

  function fillUnit(unit) {
    const { trace, step } = store;
    cells[unit].forEach((cell, k) => cell && setValue(cell, trace.value(trace.quantities[k], step, unit), step));
  }

  // `known`: whether there is such a value; NaN means none.
  function item(quantity, label, value, attributes = {}, known = true) {
    const node = unrolled.element("span", { role: "listitem", "data-quantity": quantity, "data-layer": store.trace.layer, ...attributes });
    setValue(node, value, store.step);
    node.textContent = `${label}: ${unrolled.formatNumber(known ? value : null)}`;
    return node;
  }

  // The predictions.
  function fillOthers() {
    const { trace, step } = store;
    const { words } = context;
    const [ids, probabilities] = [trace.row("top_token", step), trace.row("top_probability", step)];
    const names = trace.predicts === "tags" ? unrolled.classNames(context) : trace.vocabulary;
    const symbol = (id) => names?.[id] ?? String(id);
    const items = [];
    ids?.forEach((id, k) => {
      const token = symbol(id);
      items.push(item("probability", unrolled.displayToken(token), probabilities[k], { "data-token": token }));
    });
    const surprise = trace.row("surprise", step);
    if (surprise) {
      const next = trace.row("next_token", step)?.[0] ?? -1;
      items.push(item("surprise", words.surprise, surprise[0], next < 0 ? {} : { "data-token": symbol(next) }, next >= 0));
    }
    for (const name of ["prediction", "truth"]) {
      trace.row(name, step)?.forEach((value, k) => items.push(item(name, words[name === "prediction" && !trace.arrays.truth ? "output" : name], value, { "data-unit": k }, name !== "truth" || value === value)));
    }
    (trace.options?.probability ?? []).forEach((probability, k) => { // a class's, of the whole sequence: the same at every step
      const name = unrolled.classNames(context)[k];
      items.push(item("probability", name, probability, { "data-token": name }));
    });
    others.replaceChildren(...items);
    others.setAttribute("aria-label", trace.predicts === "tags" ? words.classes : words.predictions);
  }

  function fillAllUnits() {
    clearTimeout(whenPaused);
    if (!store.trace?.hasStep(store.step)) return;
    if (builtTrace !== store.trace) build();
    for (let unit = 0; unit < cells.length; unit++) fillUnit(unit);
  }

  function fill() {
    soon = 0;
    const { trace, step } = store;
    if (!trace?.hasStep(step)) return; // filled when the step's values arrive
    caption.textContent = unrolled.fillTemplate(context.words.mirror, { layer: trace.layer, step: step + 1 });
    fillOthers();
    if (trace.units <= MAX_UNITS_AT_ONCE) return fillAllUnits();
    if (builtTrace === trace) fillUnit(store.unit);
    clearTimeout(whenPaused);
    whenPaused = setTimeout(fillAllUnits, 200);
  }

  channel.port1.onmessage = fill;
  return {
    element,
    // Called inside an animation frame; the message is handled after that frame has been painted.
    fillLater() {
      if (!soon) soon = setTimeout(() => channel.port2.postMessage(0), 0);
    },
    relabel() { builtTrace = null; },
    destroy() {
      clearTimeout(soon);
      clearTimeout(whenPaused);
      channel.port1.close();
    },
  };
};
