// The playback controls, the pickers of quantity and unit, and the token strip.
function build(context) {
  const { root, store } = context;
  const chips = unrolled.element("div", { className: "unrolled-chips", role: "group" });
  const unitLabel = unrolled.element("label", { className: "unrolled-muted", for: `unit-${store.viewId}` });
  const unitInput = unrolled.element("input", { type: "number", min: 0, step: 1, id: `unit-${store.viewId}`, className: "unrolled-unit" });
  const steppers = {
    fewer: unrolled.iconButton(context, "fewer", () => store.set({ unit: store.unit - 1 })),
    more: unrolled.iconButton(context, "more", () => store.set({ unit: store.unit + 1 })),
  };
  const picker = unrolled.element("div", { className: "unrolled-picker" }, unitLabel, steppers.fewer, unitInput, steppers.more);
  const pickers = unrolled.element("div", { className: "unrolled-pickers" }, chips, picker);

  const fixedSpans = unrolled.fixedSpans(context);
  const strip = unrolled.tokenStrip(context, fixedSpans);
  const readout = unrolled.element("p", { className: "unrolled-readout" });
  const bounds = [0, 1].map(() => unrolled.element("span"));
  const colourBar = unrolled.element("i");
  const legend = unrolled.element("div", { className: "unrolled-legend unrolled-muted", "aria-hidden": "true" }, bounds[0], colourBar, bounds[1]);
  const save = unrolled.element("button", { type: "button", className: "unrolled-save" });
  const mirror = unrolled.numberMirror(context);
  let hasMoved = true; // whether the step changed since the last sentence was spoken, and not only the unit or quantity
  const playback = unrolled.playback(context, () => {
    const { trace, step } = store;
    const prediction = unrolled.spokenStep.predicted(context, step);
    const said = hasMoved ? unrolled.fillTemplate(prediction === null ? context.words.spoken : context.words.spoken_prediction, {
      step: step + 1, steps: trace.steps, token: unrolled.displayToken(trace.token(step)), prediction,
    }) : readout.textContent;
    hasMoved = false;
    return said;
  });
  const bar = unrolled.compactBar(context, playback.element, strip);
  root.setAttribute("role", "region");
  root.append(playback.element, pickers, strip.element, fixedSpans.element,
    unrolled.element("div", { className: "unrolled-foot" }, readout, legend, save), mirror.element);

  unrolled.swipe(context, strip.element);

  context.on(unitInput, "input", () => {
    const typed = Number(unitInput.value);
    if (unitInput.value === "" || !Number.isFinite(typed)) return;
    store.set({ unit: typed });
    if (store.trace && typed >= store.trace.units) unitInput.value = store.unit; // the last one, which is shown already
  });
  context.on(unitInput, "blur", () => { unitInput.value = store.unit; });
  context.on(save, "click", () => {
    if (store.trace) unrolled.savePng(strip.png(), `${store.trace.layer}-${store.quantity}-unit${store.unit}-tokens`);
  });
  context.on(chips, "click", (event) => {
    const quantity = event.target.closest("button")?.dataset.name;
    if (quantity) store.set({ quantity });
  });

  return {
    relabel() {
      const { words } = context;
      playback.relabel();
      for (const [name, node] of Object.entries(steppers)) unrolled.setLabel(node, words[name]);
      chips.setAttribute("aria-label", words.colour_by);
      unitLabel.textContent = words.unit;
      save.textContent = words.save;
      mirror.relabel();
    },

    update: playback.update,

    layout() {
      const { trace } = store;
      const { words, palette } = context;
      playback.layout();
      unitInput.max = trace.units - 1;
      const focused = document.activeElement?.dataset?.name;
      chips.replaceChildren(...trace.quantities.map((name) => {
        const dot = unrolled.element("i");
        dot.style.background = palette.quantity[name];
        return unrolled.element("button", { type: "button", "data-name": name }, dot, words.quantities[name] ?? name);
      }));
      if (focused) chips.querySelector(`[data-name="${focused}"]`)?.focus();
      fixedSpans.layout();
      strip.layout();
      bar.layout();
    },

    frame(changed) {
      const { trace, step, unit, quantity } = store;
      const { words, palette } = context;
      const scale = trace.unitScale(quantity, unit);
      const token = unrolled.displayToken(trace.token(step));
      const name = words.quantities[quantity] ?? quantity;
      if (changed.has("trace") || changed.has("quantity") || changed.has("unit")) {
        for (const chip of chips.children) chip.setAttribute("aria-pressed", chip.dataset.name === quantity);
        if (document.activeElement !== unitInput || Number(unitInput.value) !== unit) unitInput.value = unit;
        steppers.fewer.disabled = unit === 0;
        steppers.more.disabled = unit === trace.units - 1;
        bounds[0].textContent = unrolled.formatNumber(scale.low, 2);
        bounds[1].textContent = unrolled.formatNumber(scale.high, 2);
        colourBar.style.background = unrolled.gradient(palette[scale.name]);
        strip.element.setAttribute("aria-label", unrolled.fillTemplate(words.strip, { quantity: name, unit }));
        strip.paint();
      }
      strip.moveMarker();
      readout.textContent = unrolled.fillTemplate(words.readout, {
        step: step + 1, steps: trace.steps, token, quantity: name, unit, value: unrolled.formatNumber(trace.shown(quantity, step, unit)),
      }) + (fixedSpans.at(step) ? ` (${words.fixed_here})` : "");
      mirror.fillLater();
      if (changed.has("step")) hasMoved = true;
      playback.frame(changed);
    },

    destroy() {
      playback.destroy();
      bar.destroy();
      mirror.destroy();
      unrolled.tooltip(null);
    },
  };
}

unrolled.define("player", build);
