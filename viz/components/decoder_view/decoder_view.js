// The decoder at work, one output symbol a step: the player, what is written so far, and the drawing of this step's attention.
function build(context) {
  const { root, store } = context;
  const { attending } = unrolled;
  const GAP = 26, LARGEST = 104, SMALLEST = 72;
  const transport = unrolled.transport(context);
  const written = unrolled.element("div", { className: "unrolled-written", role: "list" });
  const source = unrolled.decodingSource(context);
  const target = unrolled.decodingTarget(context);
  const drawing = unrolled.element("div", { className: "unrolled-decoding-drawing" }, source.element, target.element);
  const readout = unrolled.element("p", { className: "unrolled-readout", "aria-live": "polite" });
  const mirror = unrolled.decodingMirror(context);
  root.setAttribute("role", "region");
  const [ramp, spans] = [unrolled.element("i"), unrolled.element("span")];
  const legend = unrolled.element("div", { className: "unrolled-legend unrolled-quiet" }, ramp, spans);
  const save = unrolled.element("button", { type: "button", className: "unrolled-save" });
  const foot = unrolled.element("div", { className: "unrolled-foot" }, readout, unrolled.element("div", { className: "unrolled-legend" }, legend, save));
  root.append(transport.element, written, drawing, foot, mirror.element);
  let chips = [];
  let followed = -Infinity; // the revision whose pinned symbol was taken

  context.on(written, "click", (event) => {
    const step = event.target.closest("button")?.dataset.step;
    if (step !== undefined) store.set({ step: Number(step) });
  });

  context.on(save, "click", async () => {
    if (!store.trace) return;
    const parts = { root: drawing, names: source.names, columns: source.canvas(), target: target.element };
    unrolled.save(await unrolled.decodingPicture(context, parts), `${store.trace.layer}-step${store.step}`);
  });

  // A whole number of pixels for each number of a vector, where they fit.
  function tall(size) {
    return size > LARGEST ? Math.min(size, 128) : size * Math.max(1, Math.floor(LARGEST / size));
  }

  function places() {
    const { arrays } = store.trace;
    const heights = {
      token: 32, key: tall(arrays.source_key.shape[1]), score: SMALLEST, weight: SMALLEST + 12, value: tall(arrays.source_value.shape[1]),
    };
    const rows = { height: 4 };
    for (const [name, height] of Object.entries(heights)) {
      rows[name] = { top: rows.height, height };
      rows.height += height + GAP;
    }
    rows.height += 4 - GAP;
    return rows;
  }

  const unpin = attending.subscribe(store, (asked) => {
    if (!store.trace || !context.width) return;
    source.frame();
    say();
    if (asked) context.report("pinned", { source: attending.pinned(store), revision: context.data.view.revision });
  });

  function say() {
    const { trace, step } = store;
    const k = attending.source(store);
    readout.textContent = unrolled.fill(context.words.readout, {
      step: step + 1, token: unrolled.token(trace.tokens[step]), source: unrolled.token(trace.options.source[k]), n: k + 1,
      weight: unrolled.number(attending.weights(store)[k], 3), score: unrolled.number(attending.scores(store)[k], 3),
    });
  }

  return {
    speak() {
      transport.speak();
      written.setAttribute("aria-label", context.words.written);
      save.textContent = context.words.save;
    },

    update() {
      const { view } = context.data;
      transport.update();
      if (!(view.revision > followed)) return;
      followed = view.revision;
      attending.follow(store, view.source);
    },

    layout() {
      const { trace } = store;
      transport.layout();
      chips = trace.tokens.map((token, step) => unrolled.element("button", { type: "button", role: "listitem", "data-step": step, "data-quantity": "output",
        "data-token": token, text: unrolled.token(token) }));
      written.replaceChildren(unrolled.element("span", { className: "unrolled-quiet", text: context.words.output }), ...chips);
      const rows = places();
      const right = Math.max(target.width + 150, Math.min(target.width + 230, context.width * 0.3));
      drawing.style.gridTemplateColumns = `minmax(0, max-content) ${right}px`;
      source.layout(context.width - right - 8, rows);
      target.layout(rows, source.span());
      ramp.style.background = `linear-gradient(to right, ${context.palette.signed.filter((_, k) => k % 15 === 0).join(",")})`;
      const most = (name) => unrolled.number(source.span()[name].span.high, 2);
      spans.textContent = unrolled.fill(context.words.spans, { key: most("key"), value: most("value") });
    },

    frame() {
      const { trace, step } = store;
      chips.forEach((chip, k) => {
        chip.classList.toggle("unrolled-later", k > step);
        if (k === step) chip.setAttribute("aria-current", "step"); else chip.removeAttribute("aria-current");
        chip.style.setProperty("--chance", unrolled.number(trace.arrays.probability.data[k * trace.vocabulary.length + trace.options.symbols[k]], 2));
      });
      source.frame();
      target.frame();
      say();
      mirror.later();
      transport.frame();
    },

    destroy() {
      unpin();
      transport.destroy();
      mirror.destroy();
      unrolled.note(null);
    },
  };
}

export default (component) => unrolled.mount(component, build);
