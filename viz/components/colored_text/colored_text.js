// The sequence as running text, line breaks kept, each token on the ground of one number: the chosen quantity of the chosen unit.
function build(context) {
  const { root, store } = context;
  const title = unrolled.element("p", { className: "unrolled-text-title" });
  const page = unrolled.element("div", { className: "unrolled-text-page", role: "list", tabindex: 0 });
  const bounds = [0, 1].map(() => unrolled.element("span"));
  const ramp = unrolled.element("i");
  const legend = unrolled.element("div", { className: "unrolled-legend unrolled-quiet", "aria-hidden": "true" }, bounds[0], ramp, bounds[1]);
  root.append(unrolled.element("div", { className: "unrolled-foot" }, title, legend), page);
  let spans = [];
  let now = null;

  context.on(page, "click", (event) => {
    const step = unrolled.tokenAt(event);
    if (step >= 0) store.set({ step });
  });
  context.on(page, "pointermove", (event) => {
    const step = store.trace ? unrolled.tokenAt(event) : -1;
    if (step < 0) return unrolled.note(null);
    unrolled.noteToken(context, step, event);
  });
  context.on(page, "pointerleave", () => unrolled.note(null));

  function layout() {
    spans = unrolled.runningText(page, store.trace);
    now = null;
  }

  function paint() {
    const { trace, quantity, unit } = store;
    const { words, palette } = context;
    const scale = trace.unitScale(quantity, unit);
    const inks = {};
    const name = words.quantities[quantity] ?? quantity;
    spans.forEach((span, k) => {
      const value = trace.value(quantity, trace.page[0] + k, unit);
      const tint = unrolled.tint(value, scale, palette);
      span.style.background = tint;
      span.style.color = tint === "transparent" ? "" : (inks[tint] ??= unrolled.ink(tint));
      Object.assign(span.dataset, { quantity, layer: trace.layer, unit, value: String(value) });
    });
    title.textContent = unrolled.fill(words.title, { quantity: name, unit });
    page.setAttribute("aria-label", title.textContent);
    bounds[0].textContent = unrolled.number(scale.low, 2);
    bounds[1].textContent = unrolled.number(scale.high, 2);
    ramp.style.background = `linear-gradient(to right, ${palette[scale.name].filter((_, k) => k % 15 === 0).join(",")})`;
  }

  return {
    layout,
    frame(changed) {
      if (changed.has("trace") || changed.has("quantity") || changed.has("unit")) paint();
      now?.removeAttribute("aria-current");
      now = spans[store.step - store.trace.page[0]];
      now?.setAttribute("aria-current", "step");
      if (now && page.scrollHeight > page.clientHeight) { // the page of text alone scrolls, never the whole window
        const top = now.offsetTop - page.clientHeight / 2;
        if (Math.abs(page.scrollTop - top) > page.clientHeight / 2 - 30) page.scrollTop = top;
      }
    },
    destroy: () => unrolled.note(null),
  };
}

export default (component) => unrolled.mount(component, build);
