// The heatmap of a layer: over all steps, or at the current one. The form draws; hover, click, keys and PNG are here.
function build(context) {
  const { root, store } = context;
  const form = unrolled.heatmaps[context.data.form](context);
  let pressed = null;
  const explain = unrolled.element("span", { className: "unrolled-muted" });
  const save = unrolled.element("button", { type: "button", className: "unrolled-save" });
  const area = unrolled.element("div", { className: "unrolled-area", tabindex: 0, role: "group" }, form.element);
  root.append(area, unrolled.element("div", { className: "unrolled-foot" }, explain, save));

  context.on(area, "pointermove", (event) => {
    const at = store.trace ? form.hit(event) : null;
    if (!at) return unrolled.tooltip(null);
    if (event.buttons & 1 && !form.zooms?.()) store.set({ step: at.step, unit: at.unit });
    const { words } = context;
    const name = words.quantities[at.quantity] ?? at.quantity;
    const lines = at.block ? blockLines(at, name) : [
      `${name}: ${unrolled.formatNumber(at.value ?? store.trace.shown(at.quantity, at.step, at.unit))}`,
      `${words.unit} ${store.trace.unit_names?.[at.unit] ?? at.unit}`,
      unrolled.fillTemplate(words.step_token, { step: at.step + 1, token: unrolled.displayToken(store.trace.token(at.step)) }),
    ];
    if (!at.block && at.count > 1) lines.push(unrolled.fillTemplate(words.strongest, { n: at.count }));
    unrolled.tooltip(lines, event.clientX, event.clientY, root);
  });
  context.on(area, "pointerleave", () => unrolled.tooltip(null));
  context.on(area, "pointerdown", (event) => {
    const at = store.trace && event.button === 0 ? form.hit(event) : null;
    if (at) store.set({ step: at.step, unit: at.unit });
    pressed = at && form.zooms?.() ? { at, x: event.clientX, y: event.clientY } : null;
  });
  // Dragging over a part of a heatmap of blocks reports that part, of which the host then sends the exact values.
  context.on(area, "pointerup", (event) => {
    const start = pressed;
    pressed = null;
    if (!start || Math.hypot(event.clientX - start.x, event.clientY - start.y) < 8) return;
    const window = form.drag(start.at, event);
    unrolled.tooltip(null); // it describes blocks that are about to be replaced
    if (window) context.report("window", { ...window, at: performance.now() }); // `at`: the same part may be chosen again
  });

  // The tooltip of a block of several steps or units.
  function blockLines({ steps, units, block }, name) {
    const { words } = context;
    const range = (from, to) => (from === to ? `${from}` : `${from}–${to}`);
    return [
      `${name}: ${unrolled.formatNumber(block.mean)}`,
      unrolled.fillTemplate(words.block, { low: unrolled.formatNumber(block.low), high: unrolled.formatNumber(block.high) }),
      unrolled.fillTemplate(words.block_steps, { steps: range(steps[0] + 1, steps[1]) }),
      `${words.unit} ${units.length > 4 ? `${units.slice(0, 3).join(", ")} … (${units.length})` : units.join(", ")}`,
    ];
  }
  context.on(area, "keydown", (event) => {
    const { trace, step, unit } = store;
    const moves = {
      ArrowLeft: { step: step - 1 }, ArrowRight: { step: step + 1 }, ArrowUp: { unit: unit - 1 }, ArrowDown: { unit: unit + 1 },
      Home: { step: 0 }, End: { step: (trace?.steps ?? 1) - 1 },
    };
    if (!trace || event.ctrlKey || event.metaKey || event.altKey || !moves[event.key]) return;
    event.preventDefault();
    store.set(moves[event.key]);
  });
  context.on(save, "click", () => {
    if (store.trace) unrolled.savePng(form.png(), `${store.trace.layer}-${context.data.form}`);
  });

  return {
    relabel() {
      save.textContent = context.words.save;
      area.setAttribute("aria-label", context.words.keys);
    },
    layout() {
      form.layout();
      const { words } = context;
      if (form.blocks?.()) explain.textContent = form.zooms() ? words.zoom : words.blocks;
      else explain.textContent = form.crowded() ? `${words.explain} ${words.crowded}` : words.explain;
    },
    frame: form.frame,
    needsStep: form.needsStep,
    destroy: () => unrolled.tooltip(null),
  };
}

unrolled.define("heatmap", build);
