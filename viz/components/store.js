// One store per view: the trace of a sequence, and where in it the reader is. Components subscribe and draw.
window.unrolled ??= {};
window.unrolled.store ??= (() => {
  const stores = new Map();
  const HEADER_LENGTH = 4;

  // Bytes (made by viz/payload.py) -> {header fields, arrays: {name: {shape, data}}, steps, units, quantities, value(), scale()}.
  function decode(bytes) {
    const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(HEADER_LENGTH, HEADER_LENGTH + length)));
    return { header, body: () => bytes.slice(HEADER_LENGTH + length).buffer };
  }

  function open(header, buffer) {
    const arrays = {};
    for (const [name, { shape, offset, dtype }] of Object.entries(header.arrays)) {
      const size = shape.reduce((product, n) => product * n, 1);
      const Kind = dtype === "int32" ? Int32Array : Float32Array;
      arrays[name] = { shape, data: new Kind(buffer, offset, size) };
    }
    const quantities = [...header.gates, ...header.states];
    const [steps, width] = arrays[quantities[0]].shape;
    // Of a layer too large to travel, some units alone: options.columns lists them in the order of the arrays' columns.
    const sent = header.options?.columns ? new Map(header.options.columns.map((unit, k) => [unit, k])) : null;
    const units = header.options?.units ?? width;
    const scales = new Map();
    const trace = { ...header, arrays, quantities, steps, units };

    // Where a unit stands among an array's columns; -1 where it has none, or has not been sent.
    const column = (array, unit) => {
      const k = sent ? sent.get(unit) ?? -1 : unit;
      return k >= 0 && k < (array.shape[1] ?? 1) ? k : -1;
    };
    trace.has = (name, unit) => Boolean(arrays[name]) && column(arrays[name], unit) >= 0;

    // The number of one quantity (name) at a step and unit; NaN where there is none (a projected state has fewer units).
    trace.value = (name, step, unit) => {
      const array = arrays[name];
      if (!array) return NaN;
      const k = column(array, unit);
      if (k < 0 || step < 0 || step >= array.shape[0]) return NaN;
      return array.data[step * (array.shape[1] ?? 1) + k];
    };

    // How a quantity is coloured: a sigmoid gate on the scale "unit" 0..1, anything else on "signed", symmetric about 0;
    // a tanh value on -1..1, what is unbounded up to its largest magnitude in the sequence.
    trace.scale = (name) => {
      if (scales.has(name)) return scales.get(name);
      let scale = { name: "unit", low: 0, high: 1 };
      if (!name.endsWith("_gate")) {
        const { data } = arrays[name];
        let most = header.options?.most?.[name] ?? 0; // of all units, where some alone were sent
        for (let k = 0; k < data.length; k++) {
          const size = Math.abs(data[k]);
          if (size > most && size < Infinity) most = size;
        }
        const bounded = (name === "hidden" || name === "candidate") && most <= 1;
        scale = { name: "signed", low: bounded ? -1 : -most || -1, high: bounded ? 1 : most || 1 };
      }
      scales.set(name, scale);
      return scale;
    };
    // The same for one unit alone, as its tokens are tinted: what is unbounded goes up to the unit's own largest magnitude, so that a
    // quiet unit beside loud ones is still seen to move.
    trace.unitScale = (name, unit) => {
      const scale = trace.scale(name);
      if (name !== "cell" && name !== "preactivation" && scale.high <= 1) return scale;
      let most = 0;
      for (let step = 0; step < steps; step++) {
        const size = Math.abs(trace.value(name, step, unit));
        if (size > most && size < Infinity) most = size;
      }
      return most > 0 ? { name: "signed", low: -most, high: most } : scale;
    };
    return trace;
  }

  function make(viewId) {
    const subscribers = new Set();
    let asked = { step: 0, unit: 0, quantity: null }; // as last asked for; clamped only to show, so that a longer trace can honour it
    let revision = -Infinity;

    const store = { viewId, trace: null, step: 0, unit: 0, quantity: null };

    const notify = (changed) => {
      if (!changed.size) return;
      for (const fn of [...subscribers]) {
        try { fn(changed); } catch (error) { console.error(error); } // one broken drawing must not stop the others
      }
    };

    const whole = (value, count) => Math.min(Math.max(Math.trunc(Number(value)) || 0, 0), count - 1);

    const settle = (changed = new Set()) => {
      if (!store.trace) return changed;
      const { steps, units, quantities } = store.trace;
      const shown = {
        step: whole(asked.step, steps),
        unit: whole(asked.unit, units),
        quantity: quantities.includes(asked.quantity) ? asked.quantity
          : quantities.includes("forget_gate") ? "forget_gate" : quantities[0],
      };
      for (const [name, value] of Object.entries(shown)) {
        if (store[name] !== value) { store[name] = value; changed.add(name); }
      }
      return changed;
    };

    const ask = (view) => {
      for (const name of ["step", "unit", "quantity"]) {
        if (view[name] !== undefined && view[name] !== null) asked[name] = view[name];
      }
    };

    // Move; what is given is clamped to the trace.
    store.set = (view) => {
      if (store.trace) asked = { step: store.step, unit: store.unit, quantity: store.quantity };
      ask(view);
      notify(settle());
    };

    // What the server wants shown; once for each revision, also when it comes before its trace.
    store.follow = (view) => {
      if (!view || !(view.revision > revision)) return;
      revision = view.revision;
      ask(view);
      notify(settle());
    };

    store.subscribe = (fn) => {
      subscribers.add(fn);
      if (store.trace) fn(new Set(["trace", "step", "unit", "quantity"]));
      return () => subscribers.delete(fn);
    };

    store.load = (bytes) => {
      const { header, body } = decode(bytes);
      if (store.trace?.id === header.id) return;
      store.trace = open(header, body());
      notify(settle(new Set(["trace"])));
    };
    return store;
  }

  const store = (viewId) => {
    if (!stores.has(viewId)) stores.set(viewId, make(viewId));
    return stores.get(viewId);
  };
  // The view a payload belongs to is in its header.
  store.load = (bytes) => store(decode(bytes).header.view_id).load(bytes);
  return store;
})();
