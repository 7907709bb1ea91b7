// The decoder, one output symbol per step: the playback controls, the symbols generated so far, and the drawing of this step's attention.
function build(context) {
  const { root, store } = context;
  const selection = unrolled.attentionSelection;
  const GAP = 26, MAX_VECTOR = 104, BAR_HEIGHT = 72, MIN_BESIDE = 560;
  const playback = unrolled.playback(context, () => {
    const { trace, step } = store;
    const k = selection.source(store);
    return unrolled.fillTemplate(context.words.spoken, {
      step: step + 1, steps: trace.steps, token: unrolled.displayToken(trace.tokens[step]), probability: unrolled.formatPercent(probability(step)),
      source: unrolled.displayToken(trace.options.source[k]), n: k + 1, weight: unrolled.formatNumber(selection.weights(store)[k], 3),
    });
  });
  const outputTokens = unrolled.element("div", { className: "unrolled-output-tokens", role: "list" });
  const source = unrolled.decoderSource(context);
  const target = unrolled.decoderTarget(context);
  const drawing = unrolled.element("div", { className: "unrolled-decoder-drawing" }, source.element, target.element);
  const readout = unrolled.element("p", { className: "unrolled-readout" });
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

  unrolled.swipe(context, target.element);

  // The probability of the token that was generated at a step.
  const probability = (step) => store.trace.arrays.probability.data[step * store.trace.vocabulary.length + store.trace.options.symbols[step]];

  // The height of a vector: a whole number of pixels for each value, where they fit.
  function vectorHeight(size) {
    return size > MAX_VECTOR ? Math.min(size, 128) : size * Math.max(1, Math.floor(MAX_VECTOR / size));
  }

  // Where the rows are: far enough apart for the names beside them.
  function rowPlaces(nameHeights) {
    const { arrays } = store.trace;
    const heights = {
      token: 32, key: vectorHeight(arrays.source_key.shape[1]), score: BAR_HEIGHT, weight: BAR_HEIGHT + 12, value: vectorHeight(arrays.source_value.shape[1]),
    };
    const rows = {};
    let [end, nameEnd] = [4 - GAP, 0];
    for (const [name, height] of Object.entries(heights)) {
      const top = Math.ceil(Math.max(end + GAP, nameEnd + (nameHeights[name] - height) / 2));
      rows[name] = { top, height };
      end = top + height;
      nameEnd = top + (height + nameHeights[name]) / 2 + 4;
    }
    rows.height = Math.max(end, nameEnd) + 4;
    return rows;
  }

  const unpin = selection.subscribe(store, (byReader) => {
    if (!store.trace || !context.width) return;
    source.frame();
    updateReadout();
    playback.speakLater();
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
      source.relabel();
      outputTokens.setAttribute("aria-label", context.words.written);
      save.textContent = context.words.save;
    },

    update() {
      const { view } = context.data;
      playback.update();
      const since = view.since?.source ?? view.revision;
      if (!(since > followedRevision)) return;
      followedRevision = since;
      selection.follow(store, view.source);
    },

    layout() {
      const { trace } = store;
      playback.layout();
      chips = trace.tokens.map((token, step) => unrolled.element("button", { type: "button", role: "listitem", "data-step": step, "data-quantity": "output",
        "data-token": token, text: unrolled.displayToken(token) }));
      outputTokens.replaceChildren(unrolled.element("span", { className: "unrolled-muted", text: context.words.output }), ...chips);
      const rows = rowPlaces(source.nameRows());
      const stacked = context.width < MIN_BESIDE; // the target below the source
      const right = stacked ? context.width : Math.max(target.width + 150, Math.min(target.width + 230, context.width * 0.3));
      drawing.style.gridTemplateColumns = stacked ? "minmax(0, 1fr)" : `minmax(0, max-content) ${right}px`;
      source.layout(stacked ? context.width : context.width - right - 8, rows);
      target.layout(rows, source.images());
      colourBar.style.background = unrolled.gradient(context.palette.signed);
      const max = (name) => unrolled.formatNumber(source.images()[name].range.high, 2);
      ranges.textContent = unrolled.fillTemplate(context.words.spans, { key: max("key"), value: max("value") });
    },

    frame(changed) {
      const { trace, step } = store;
      chips.forEach((chip, k) => {
        chip.classList.toggle("unrolled-upcoming", k > step);
        if (k === step) chip.setAttribute("aria-current", "step"); else chip.removeAttribute("aria-current");
        chip.style.setProperty("--probability", unrolled.formatNumber(probability(k), 2));
      });
      source.frame();
      target.frame();
      updateReadout();
      mirror.fillLater();
      playback.frame(changed);
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
