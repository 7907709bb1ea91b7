// The transport bar, the pickers and the unrolled strip.
function build(context) {
  const { root, store } = context;
  const chips = unrolled.element("div", { className: "unrolled-chips", role: "group" });
  const unitLabel = unrolled.element("label", { className: "unrolled-quiet", for: `unit-${store.viewId}` });
  const unit = unrolled.element("input", { type: "number", min: 0, step: 1, id: `unit-${store.viewId}`, className: "unrolled-unit" });
  const steppers = {
    fewer: unrolled.button(context, "fewer", () => store.set({ unit: store.unit - 1 })),
    more: unrolled.button(context, "more", () => store.set({ unit: store.unit + 1 })),
  };
  const picker = unrolled.element("div", { className: "unrolled-picker" }, unitLabel, steppers.fewer, unit, steppers.more);
  const pickers = unrolled.element("div", { className: "unrolled-pickers" }, chips, picker);

  const held = unrolled.held(context);
  const strip = unrolled.strip(context, held);
  const readout = unrolled.element("p", { className: "unrolled-readout", "aria-live": "polite" });
  const bounds = [0, 1].map(() => unrolled.element("span"));
  const ramp = unrolled.element("i");
  const legend = unrolled.element("div", { className: "unrolled-legend unrolled-quiet", "aria-hidden": "true" }, bounds[0], ramp, bounds[1]);
  const save = unrolled.element("button", { type: "button", className: "unrolled-save" });
  const mirror = unrolled.mirror(context);
  const transport = unrolled.transport(context, (playing) => readout.setAttribute("aria-live", playing ? "off" : "polite"));
  root.setAttribute("role", "region");
  root.append(transport.element, pickers, strip.element, held.element, unrolled.element("div", { className: "unrolled-foot" }, readout, legend, save), mirror.element);

  context.on(unit, "input", () => {
    if (unit.value !== "" && Number.isFinite(Number(unit.value))) store.set({ unit: Number(unit.value) });
  });
  context.on(unit, "blur", () => { unit.value = store.unit; });
  context.on(save, "click", () => {
    if (store.trace) unrolled.save(strip.picture(), `${store.trace.layer}-${store.quantity}-unit${store.unit}-tokens`);
  });
  context.on(chips, "click", (event) => {
    const quantity = event.target.closest("button")?.dataset.name;
    if (quantity) store.set({ quantity });
  });

  return {
    speak() {
      const { words } = context;
      transport.speak();
      for (const [name, node] of Object.entries(steppers)) unrolled.label(node, words[name]);
      chips.setAttribute("aria-label", words.tint);
      unitLabel.textContent = words.unit;
      save.textContent = words.save;
      mirror.speak();
    },

    update: transport.update,

    layout() {
      const { trace } = store;
      const { words, palette } = context;
      transport.layout();
      unit.max = trace.units - 1;
      const focused = document.activeElement?.dataset?.name;
      chips.replaceChildren(...trace.quantities.map((name) => {
        const dot = unrolled.element("i");
        dot.style.background = palette.quantity[name];
        return unrolled.element("button", { type: "button", "data-name": name }, dot, words.quantities[name] ?? name);
      }));
      if (focused) chips.querySelector(`[data-name="${focused}"]`)?.focus();
      held.layout();
      strip.layout();
    },

    frame(changed) {
      const { trace, step, unit: chosen, quantity } = store;
      const { words, palette } = context;
      const scale = trace.unitScale(quantity, chosen);
      const token = unrolled.token(trace.token(step));
      const name = words.quantities[quantity] ?? quantity;
      if (changed.has("trace") || changed.has("quantity") || changed.has("unit")) {
        for (const chip of chips.children) chip.setAttribute("aria-pressed", chip.dataset.name === quantity);
        if (document.activeElement !== unit || Number(unit.value) !== chosen) unit.value = chosen;
        steppers.fewer.disabled = chosen === 0;
        steppers.more.disabled = chosen === trace.units - 1;
        bounds[0].textContent = unrolled.number(scale.low, 2);
        bounds[1].textContent = unrolled.number(scale.high, 2);
        ramp.style.background = `linear-gradient(to right, ${palette[scale.name].filter((_, k) => k % 15 === 0).join(",")})`;
        strip.element.setAttribute("aria-label", unrolled.fill(words.strip, { quantity: name, unit: chosen }));
        strip.paint();
      }
      strip.mark();
      readout.textContent = unrolled.fill(words.readout, {
        step: step + 1, steps: trace.steps, token, quantity: name, unit: chosen, value: unrolled.number(trace.value(quantity, step, chosen)),
      }) + (held.at(step) ? ` (${words.held_here})` : "");
      mirror.later();
      transport.frame();
    },

    destroy() {
      transport.destroy();
      mirror.destroy();
      unrolled.note(null);
    },
  };
}

export default (component) => unrolled.mount(component, build);
