// The mirror: what the canvases show at the current step, as text for screen readers and for tests. It is brought up to date
// after the frame is painted, so that it costs stepping nothing.
unrolled.mirror = (context) => {
  const { store } = context;
  const AT_ONCE = 512; // units; a larger layer is mirrored when stepping settles, its chosen unit at once
  const caption = unrolled.element("p");
  const table = unrolled.element("div", { role: "table" });
  const others = unrolled.element("div", { role: "list" });
  const element = unrolled.element("div", { className: "unrolled-hidden unrolled-mirror" }, caption, table, others);

  let cells = []; // cells[unit][k]: the element of the k-th quantity
  let mirrored = null;
  let soon = 0, settled = 0;
  const channel = new MessageChannel();

  const put = (cell, value, step) => {
    cell.dataset.step = step;
    cell.dataset.value = String(value);
    cell.textContent = unrolled.number(value);
  };

  function build() {
    const { trace } = store;
    const { words } = context;
    mirrored = trace;
    const name = (quantity) => words.quantities[quantity] ?? quantity;
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
    cells[unit].forEach((cell, k) => cell && put(cell, trace.value(trace.quantities[k], step, unit), step));
  }

  function item(quantity, label, value, attributes = {}) {
    const node = unrolled.element("span", { role: "listitem", "data-quantity": quantity, "data-layer": store.trace.layer, ...attributes });
    put(node, value, store.step);
    node.textContent = `${label}: ${unrolled.number(value)}`;
    return node;
  }

  function fillOthers() {
    const { trace, step } = store;
    const { words } = context;
    const [ids, chances] = [trace.row("top_token", step), trace.row("top_probability", step)];
    const symbol = (id) => trace.vocabulary?.[id] ?? String(id);
    const items = [];
    ids?.forEach((id, k) => {
      const token = symbol(id);
      items.push(item("probability", unrolled.token(token), chances[k], { "data-token": token }));
    });
    const surprise = trace.row("surprise", step);
    if (surprise) {
      const next = trace.row("next_token", step)?.[0] ?? -1;
      items.push(item("surprise", words.surprise, surprise[0], next < 0 ? {} : { "data-token": symbol(next) }));
    }
    for (const name of ["prediction", "truth"]) {
      trace.row(name, step)?.forEach((value, k) => items.push(item(name, words[name], value, { "data-unit": k })));
    }
    (trace.options?.probability ?? []).forEach((chance, k) => { // of the whole sequence: the same at every step
      const name = trace.options.classes[context.data.lang ?? "en"]?.[k] ?? trace.options.classes.en[k];
      items.push(item("probability", name, chance, { "data-token": name }));
    });
    others.replaceChildren(...items);
    others.setAttribute("aria-label", words.predictions);
  }

  function all() {
    clearTimeout(settled);
    if (!store.trace?.here(store.step)) return;
    if (mirrored !== store.trace) build();
    for (let unit = 0; unit < cells.length; unit++) fillUnit(unit);
  }

  function update() {
    soon = 0;
    const { trace, step } = store;
    if (!trace?.here(step)) return; // told when they are here
    caption.textContent = unrolled.fill(context.words.mirror, { layer: trace.layer, step: step + 1 });
    fillOthers();
    if (trace.units <= AT_ONCE) return all();
    if (mirrored === trace) fillUnit(store.unit);
    clearTimeout(settled);
    settled = setTimeout(all, 200);
  }

  channel.port1.onmessage = update;
  return {
    element,
    // Called inside an animation frame; the message is handled when that frame has been handed over.
    later() {
      if (!soon) soon = setTimeout(() => channel.port2.postMessage(0), 0);
    },
    speak() { mirrored = null; },
    destroy() {
      clearTimeout(soon);
      clearTimeout(settled);
      channel.port1.close();
    },
  };
};
