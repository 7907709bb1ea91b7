// The sequence as running text, line breaks kept; each token's background shows the chosen quantity of the chosen unit.
function build(context) {
  const { root, store } = context;
  const title = unrolled.element("p", { className: "unrolled-colored-text-title" });
  const container = unrolled.element("div", { className: "unrolled-running-text", role: "list", tabindex: 0 });
  const bounds = [0, 1].map(() => unrolled.element("span"));
  const colourBar = unrolled.element("i");
  const legend = unrolled.element("div", { className: "unrolled-legend unrolled-muted", "aria-hidden": "true" }, bounds[0], colourBar, bounds[1]);
  root.append(unrolled.element("div", { className: "unrolled-foot" }, title, legend), container);
  let spans = [];
  let current = null;

  context.on(container, "click", (event) => {
    const step = unrolled.tokenAt(event);
    if (step >= 0) store.set({ step });
  });
  context.on(container, "pointermove", (event) => {
    const step = store.trace ? unrolled.tokenAt(event) : -1;
    if (step < 0) return unrolled.tooltip(null);
    unrolled.tokenTooltip(context, step, event);
  });
  context.on(container, "pointerleave", () => unrolled.tooltip(null));

  function layout() {
    spans = unrolled.runningText(container, store.trace);
    current = null;
  }

  function paint() {
    const { trace, quantity, unit } = store;
    const { words, palette } = context;
    const scale = trace.unitScale(quantity, unit);
    const textColours = {};
    const name = words.quantities[quantity] ?? quantity;
    spans.forEach((span, k) => {
      const value = trace.shown(quantity, trace.page[0] + k, unit);
      const colour = unrolled.colourOf(value, scale, palette);
      span.style.background = colour;
      span.style.color = colour === "transparent" ? "" : (textColours[colour] ??= unrolled.contrastColour(colour));
      Object.assign(span.dataset, { quantity, layer: trace.layer, unit, value: String(value ?? NaN) });
    });
    title.textContent = unrolled.fillTemplate(words.title, { quantity: name, unit });
    container.setAttribute("aria-label", title.textContent);
    bounds[0].textContent = unrolled.formatNumber(scale.low, 2);
    bounds[1].textContent = unrolled.formatNumber(scale.high, 2);
    colourBar.style.background = unrolled.gradient(palette[scale.name]);
  }

  return {
    layout,
    frame(changed) {
      if (changed.has("trace") || changed.has("quantity") || changed.has("unit")) paint();
      current?.removeAttribute("aria-current");
      current = spans[store.step - store.trace.page[0]];
      current?.setAttribute("aria-current", "step");
      if (current && container.scrollHeight > container.clientHeight) { // scroll the text alone, never the page
        const top = current.offsetTop - container.clientHeight / 2;
        if (Math.abs(container.scrollTop - top) > container.clientHeight / 2 - 30) container.scrollTop = top;
      }
    },
    destroy: () => unrolled.tooltip(null),
  };
}

unrolled.define("colored_text", build);
