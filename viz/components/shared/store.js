// One store per view: the trace of a sequence, and where in it the reader is. Components subscribe and draw.
window.unrolled ??= {};
window.unrolled.store ??= (() => {
  const stores = new Map();
  const HEADER_LENGTH = 4;

  // Bytes made by viz/payloads/binary_payload.py: the header, and its arrays when they are asked for, {name: {shape, data, first}}.
  function decode(bytes) {
    const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(HEADER_LENGTH, HEADER_LENGTH + length)));
    return { header, arrays: (first) => views(header, bytes.slice(HEADER_LENGTH + length).buffer, first) };
  }

  // first: the step at which arrays of steps begin.
  function views(header, buffer, first = 0) {
    const arrays = {};
    for (const [name, { shape, offset, dtype }] of Object.entries(header.arrays)) {
      const size = shape.reduce((product, n) => product * n, 1);
      const Kind = dtype === "int32" ? Int32Array : Float32Array;
      arrays[name] = { shape, first, data: new Kind(buffer, offset, size) };
    }
    return arrays;
  }

  const within = (value, [from, to]) => value >= from && value < to;

  // -> {header fields, arrays, steps, units, quantities, page, row(), value(), before(), token(), here(), settled(), scale(), ...}.
  // Of a run too large to travel whole (header.excerpt, made by viz/payloads/excerpt.py) there are a page of tokens, over that page some units,
  // and near the step all units, which come apart (add).
  function open(header, arraysFrom) {
    const { excerpt } = header;
    const page = excerpt?.page ?? [0, header.tokens.length];
    const arrays = arraysFrom(page[0]);
    const quantities = [...header.gates, ...header.states];
    const steps = excerpt?.steps ?? header.tokens.length;
    const units = excerpt?.units ?? arrays[quantities[0]].shape[1];
    const scales = new Map();
    const unitScales = new Map();
    const trace = { ...header, arrays, quantities, steps, units, page };
    let near = null; // {steps, stay}

    trace.add = (piece, more) => {
      near = piece;
      Object.assign(arrays, more);
    };
    // Whether all units' numbers at a step are here.
    trace.here = (step) => within(step, page) && (!excerpt?.near || (Boolean(near) && within(step, near.steps)));
    // Whether nothing else need be asked for, here or a little further on.
    trace.settled = (step, unit) => !excerpt || (within(step, excerpt.stay) && within(unit, excerpt.columns) && (!near || within(step, near.stay)));

    trace.token = (step) => header.tokens[step - page[0]] ?? String(step + 1);

    // Every number of one quantity (name) at a step; null where they are not here.
    trace.row = (name, step) => {
      const array = arrays[name];
      if (!array || !within(step - array.first, [0, array.shape[0]])) return null;
      const width = array.shape[1] ?? 1;
      return array.data.subarray((step - array.first) * width, (step - array.first + 1) * width);
    };
    const entry = (array, step, column) => {
      const width = array.shape[1] ?? 1;
      return column < width && within(step - array.first, [0, array.shape[0]]) ? array.data[(step - array.first) * width + column] : NaN;
    };

    // Whether a quantity has that unit (a projected state has fewer), and its numbers travel.
    trace.has = (name, unit) => unit < (arrays[name]?.shape[1] ?? 0)
      || Boolean(excerpt) && within(unit, excerpt.columns) && unit - excerpt.columns[0] < arrays[`column:${name}`].shape[1];

    // The number of one quantity at a step and unit; NaN where there is none, or it is not here.
    trace.value = (name, step, unit) => {
      if (excerpt && within(unit, excerpt.columns)) return entry(arrays[`column:${name}`], step, unit - excerpt.columns[0]);
      return arrays[name] ? entry(arrays[name], step, unit) : NaN;
    };

    // The states (name: "hidden" or "cell") that a step started from; null where they are not here.
    trace.before = (name, step) => {
      const array = arrays[name];
      if (!array || arrays[`${name}_prev`]) return trace.row(`${name}_prev`, step);
      const reverse = header.options.reverse;
      const first = reverse ? array.first + array.shape[0] - 1 : array.first;
      return step === first ? arrays[`${name}_before`]?.data ?? null : trace.row(name, reverse ? step + 1 : step - 1);
    };

    // How a quantity is coloured: a gate that opens and closes on the scale "unit" 0..1, anything else on "signed", symmetric about 0;
    // a tanh value on -1..1, what is unbounded up to its largest magnitude in the sequence: of all those that are to be compared.
    trace.scale = (name) => {
      if (scales.has(name)) return scales.get(name);
      let scale = { name: "unit", low: 0, high: 1 };
      if (!(header.options?.valves?.includes(name) ?? name.endsWith("_gate"))) {
        const alike = header.options?.alike?.includes(name) ? header.options.alike : [name];
        const most = Math.max(...alike.map((each) => excerpt?.most[each] ?? largest(arrays[each].data)));
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
      const key = `${name} ${unit}`;
      if (!unitScales.has(key)) {
        const most = excerpt ? excerpt.loudest[name]?.[unit - excerpt.columns[0]] ?? 0
          : largest(arrays[name].data, unit, arrays[name].shape[1]);
        unitScales.set(key, most > 0 ? { name: "signed", low: -most, high: most } : scale);
      }
      return unitScales.get(key);
    };
    return trace;
  }

  // The largest finite magnitude among every pitch-th number.
  function largest(data, from = 0, pitch = 1) {
    let most = 0;
    for (let k = from; k < data.length; k += pitch) {
      const size = Math.abs(data[k]);
      if (size > most && size < Infinity) most = size;
    }
    return most;
  }

  function make(viewId) {
    const subscribers = new Set();
    let piece = null; // what is near the step, and came before what it belongs to
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

    const complete = (changed) => {
      if (!piece || piece.header.of !== store.trace?.id) return changed;
      store.trace.add(piece.header, piece.arrays(piece.header.steps[0]));
      piece = null;
      return changed.add("near").add("step");
    };

    store.load = ({ header, arrays }) => {
      if (header.of) {
        piece = { header, arrays };
        return notify(complete(new Set()));
      }
      if (store.trace?.id === header.id) return;
      store.trace = open(header, arrays);
      notify(settle(complete(new Set(["trace"]))));
    };
    return store;
  }

  const store = (viewId) => {
    if (!stores.has(viewId)) stores.set(viewId, make(viewId));
    return stores.get(viewId);
  };
  // The view a payload belongs to is in its header.
  store.load = (bytes) => {
    const decoded = decode(bytes);
    const loaded = store(decoded.header.view_id);
    loaded.load(decoded);
    return { store: loaded, header: decoded.header };
  };
  return store;
})();
