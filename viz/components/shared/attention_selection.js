// The selection that the attention components share: the selected source symbol, and the attention arrays of a step.
unrolled.attentionSelection ??= (() => {
  // The reader may pin a source symbol; without a pin, the one with the largest weight at the current step is selected.
  const pins = new WeakMap();
  const of = (store) => {
    if (!pins.has(store)) pins.set(store, { pinned: null, listeners: new Set() });
    return pins.get(store);
  };

  const row = ({ shape: [, width], data }, step) => data.subarray(step * width, (step + 1) * width);

  // null also where the current source is too short to have the pinned symbol.
  const pinned = (store) => {
    const source = of(store).pinned;
    return source !== null && source < store.trace.units ? source : null;
  };

  function argmax(values) {
    let best = 0;
    for (let k = 1; k < values.length; k++) if (values[k] > values[best]) best = k;
    return best;
  }

  const notify = (state, byReader) => {
    for (const listener of [...state.listeners]) listener(byReader);
  };

  return {
    row,
    argmax,
    weights: (store) => row(store.trace.arrays.attention_weight, store.step),
    scores: (store) => row(store.trace.arrays.attention_score, store.step),
    source: (store) => pinned(store) ?? argmax(row(store.trace.arrays.attention_weight, store.step)),
    pinned,

    // Pin a source symbol, or null for none; the pinned one again unpins it.
    pin(store, source) {
      const state = of(store);
      state.pinned = pinned(store) === source ? null : source;
      notify(state, true);
    },
    // Pin what the host's data name, or null for none.
    follow(store, source) {
      const state = of(store);
      if (state.pinned === source) return;
      state.pinned = source;
      notify(state, false);
    },
    // listener(byReader): whether the reader changed the pin. Returns the function that unsubscribes it.
    subscribe(store, listener) {
      of(store).listeners.add(listener);
      return () => of(store).listeners.delete(listener);
    },
  };
})();
