// What the components of the Attention lens share: which source symbol is looked at, and the numbers of a step.
(() => {
  const unrolled = (window.unrolled ??= {});
  if (unrolled.attending) return;

  // The reader may pin a source symbol; else the one with the most weight at the current step is looked at.
  const pins = new WeakMap();
  const of = (store) => {
    if (!pins.has(store)) pins.set(store, { pinned: null, listeners: new Set() });
    return pins.get(store);
  };

  const row = ({ shape: [, width], data }, step) => data.subarray(step * width, (step + 1) * width);

  // A shorter sentence may have no such symbol.
  const pinned = (store) => {
    const source = of(store).pinned;
    return source !== null && source < store.trace.units ? source : null;
  };

  function strongest(values) {
    let best = 0;
    for (let k = 1; k < values.length; k++) if (values[k] > values[best]) best = k;
    return best;
  }

  unrolled.attending = {
    row,
    strongest,
    weights: (store) => row(store.trace.arrays.attention_weight, store.step),
    scores: (store) => row(store.trace.arrays.attention_score, store.step),
    source: (store) => pinned(store) ?? strongest(row(store.trace.arrays.attention_weight, store.step)),
    pinned,

    // Pin a source symbol, or none; the same one again lets it go.
    pin(store, source) {
      const state = of(store);
      state.pinned = pinned(store) === source ? null : source;
      for (const listener of [...state.listeners]) listener(true);
    },
    // What the server wants pinned, or null.
    follow(store, source) {
      const state = of(store);
      if (state.pinned === source) return;
      state.pinned = source;
      for (const listener of [...state.listeners]) listener(false);
    },
    // listener(asked): whether the reader did it.
    subscribe(store, listener) {
      of(store).listeners.add(listener);
      return () => of(store).listeners.delete(listener);
    },
  };
})();
