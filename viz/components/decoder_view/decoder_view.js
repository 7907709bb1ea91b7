// The decoder, one output symbol per step: the playback controls, the symbols generated so far, and the drawing of this step's attention.
function build(context) {
  const { root, store } = context;
  const selection = unrolled.attentionSelection;
  const GAP = 26, MAX_VECTOR = 104, BAR_HEIGHT = 72;
  const playback = unrolled.playback(context);
  const outputTokens = unrolled.element("div", { className: "unrolled-output-tokens", role: "list" });
  const source = unrolled.decoderSource(context);
  const target = unrolled.decoderTarget(context);
  const drawing = unrolled.element("div", { className: "unrolled-decoder-drawing" }, source.element, target.element);
  const readout = unrolled.element("p", { className: "unrolled-readout", "aria-live": "polite" });
  const mirror = unrolled.decoderMirror(context);
  root.setAttribute("role", "region");
  const [colourBar, ranges] = [unrolled.element("i"), unrolled.element("span")];
  const legend = unrolled.element("div", { className: "unrolled-legend unrolled-muted" }, colourBar, ranges);
  const save = unrolled.element("button", { type: "button", className: "unrolled-save" });
  const foot = unrolled.element("div", { className: "unrolled-foot" }, readout, unrolled.element("div", { className: "unrolled-legend" }, legend, save));
  root.append(playback.element, outputTokens, drawing, foot, mirror.element);
  let chips = [];
  let followedRevision = -Infinity; // of the view whose pinned symbol was applied last

  context.on(outputTokens, "click", (event) => {
    const step = event.target.closest("button")?.dataset.step;
    if (step !== undefined) store.set({ step: Number(step) });
  });

  context.on(save, "click", async () => {
    if (!store.trace) return;
    const parts = { root: drawing, names: source.names, columns: source.canvas(), target: target.element };
    unrolled.savePng(await unrolled.decoderPng(context, parts), `${store.trace.layer}-step${store.step}`);
  });

  // The height of a vector: a whole number of pixels for each value, where they fit.
  function vectorHeight(size) {
    return size > MAX_VECTOR ? Math.min(size, 128) : size * Math.max(1, Math.floor(MAX_VECTOR / size));
  }

  function rowPlaces() {
    const { arrays } = store.trace;
    const heights = {
      token: 32, key: vectorHeight(arrays.source_key.shape[1]), score: BAR_HEIGHT, weight: BAR_HEIGHT + 12, value: vectorHeight(arrays.source_value.shape[1]),
    };
    const rows = { height: 4 };
    for (const [name, height] of Object.entries(heights)) {
      rows[name] = { top: rows.height, height };
      rows.height += height + GAP;
    }
    rows.height += 4 - GAP;
    return rows;
  }

  const unpin = selection.subscribe(store, (byReader) => {
    if (!store.trace || !context.width) return;
    source.frame();
    updateReadout();
    if (byReader) context.report("pinned", { source: selection.pinned(store), revision: context.data.view.revision });
  });

  function updateReadout() {
    const { trace, step } = store;
    const k = selection.source(store);
    readout.textContent = unrolled.fillTemplate(context.words.readout, {
      step: step + 1, token: unrolled.displayToken(trace.tokens[step]), source: unrolled.displayToken(trace.options.source[k]), n: k + 1,
      weight: unrolled.formatNumber(selection.weights(store)[k], 3), score: unrolled.formatNumber(selection.scores(store)[k], 3),
    });
  }

  return {
    relabel() {
      playback.relabel();
      outputTokens.setAttribute("aria-label", context.words.written);
      save.textContent = context.words.save;
    },

    update() {
      const { view } = context.data;
      playback.update();
      if (!(view.revision > followedRevision)) return;
      followedRevision = view.revision;
      selection.follow(store, view.source);
    },

    layout() {
      const { trace } = store;
      playback.layout();
      chips = trace.tokens.map((token, step) => unrolled.element("button", { type: "button", role: "listitem", "data-step": step, "data-quantity": "output",
        "data-token": token, text: unrolled.displayToken(token) }));
      outputTokens.replaceChildren(unrolled.element("span", { className: "unrolled-muted", text: context.words.output }), ...chips);
      const rows = rowPlaces();
      const right = Math.max(target.width + 150, Math.min(target.width + 230, context.width * 0.3));
      drawing.style.gridTemplateColumns = `minmax(0, max-content) ${right}px`;
      source.layout(context.width - right - 8, rows);
      target.layout(rows, source.images());
      colourBar.style.background = unrolled.gradient(context.palette.signed);
      const max = (name) => unrolled.formatNumber(source.images()[name].range.high, 2);
      ranges.textContent = unrolled.fillTemplate(context.words.spans, { key: max("key"), value: max("value") });
    },

    frame() {
      const { trace, step } = store;
      chips.forEach((chip, k) => {
        chip.classList.toggle("unrolled-upcoming", k > step);
        if (k === step) chip.setAttribute("aria-current", "step"); else chip.removeAttribute("aria-current");
        chip.style.setProperty("--probability", unrolled.formatNumber(trace.arrays.probability.data[k * trace.vocabulary.length + trace.options.symbols[k]], 2));
      });
      source.frame();
      target.frame();
      updateReadout();
      mirror.fillLater();
      playback.frame();
    },

    destroy() {
      unpin();
      playback.destroy();
      mirror.destroy();
      unrolled.tooltip(null);
    },
  };
}

unrolled.define("decoder_view", build);
