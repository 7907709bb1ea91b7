// The store of a view: the trace of a sequence, and the step, unit and quantity that are shown. Components subscribe to it and draw.
window.unrolled ??= {};
window.unrolled.store ??= (() => {
  const stores = new Map();
  const watchers = new Set(); // of all stores
  const HEADER_LENGTH = 4;

  // Bytes of viz/payloads/binary_payload.py -> the header, and a function that makes its arrays, {name: {shape, data, first}}.
  function decode(bytes) {
    const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(HEADER_LENGTH, HEADER_LENGTH + length)));
    return { header, arrays: (first) => arrayViews(header, bytes.slice(HEADER_LENGTH + length).buffer, first) };
  }

  // first: the step of the first row of an array of steps.
  function arrayViews(header, buffer, first = 0) {
    const arrays = {};
    for (const [name, { shape, offset, dtype }] of Object.entries(header.arrays)) {
      const size = shape.reduce((product, n) => product * n, 1);
      const Kind = dtype === "int32" ? Int32Array : Float32Array;
      arrays[name] = { shape, first, data: new Kind(buffer, offset, size) };
    }
    return arrays;
  }

  const inRange = (value, [from, to]) => value >= from && value < to;

  // Of a run that is compared with one whose values were sent apart (array_loader): those values at each step, NaN at a step
  // that the other run lacks, and the change. compared: {array: the id, names: [before, after, change], origin: for each step
  // that of the other run, or null where all are the same}.
  function addCompared(arrays, { array, names: [before, after, change], origin }) {
    const values = unrolled.arrays.get(array);
    const { shape, data, first } = arrays[after];
    const [steps, units] = shape;
    const [old, difference] = [new Float32Array(data.length), new Float32Array(data.length)];
    for (let step = 0; step < steps; step++) {
      const from = origin ? origin[step] : step;
      for (let unit = 0; unit < units; unit++) {
        const k = step * units + unit;
        old[k] = from === null ? NaN : values[from * units + unit];
        difference[k] = data[k] - old[k];
      }
    }
    arrays[before] = { shape, first, data: old };
    arrays[change] = { shape, first, data: difference };
  }

  // -> {header fields, arrays, steps, units, quantities, page, row(), value(), previous(), token(), hasStep(), isComplete(), scale(), ...}.
  // Of a run that is too large to be sent whole (header.excerpt, made by viz/payloads/excerpt.py) there are a page of tokens, some
  // units over that page, and all units near the step, which arrive separately (add).
  function createTrace(header, arraysFrom) {
    const { excerpt } = header;
    const page = excerpt?.page ?? [0, header.tokens.length];
    const arrays = arraysFrom(page[0]);
    if (header.options?.compared) addCompared(arrays, header.options.compared);
    const quantities = [...header.gates, ...header.states];
    const steps = excerpt?.steps ?? header.tokens.length;
    const units = excerpt?.units ?? arrays[quantities[0]].shape[1];
    const scales = new Map();
    const unitScales = new Map();
    const trace = { ...header, arrays, quantities, steps, units, page };
    // JSON has no NaN.
    for (const name of ["probability", "class_before", "class_after"]) {
      if (trace.options?.[name]) trace.options = { ...trace.options, [name]: trace.options[name].map((value) => value ?? NaN) };
    }
    let nearby = null; // {steps, stay}: the steps of which all units are there, and those at which no others are needed

    trace.add = (piece, more) => {
      nearby = piece;
      Object.assign(arrays, more);
    };
    // Whether the values of all units at a step are there.
    trace.hasStep = (step) => inRange(step, page) && (!excerpt?.near || (Boolean(nearby) && inRange(step, nearby.steps)));
    // Whether nothing more is needed, at this step and a little further on.
    trace.isComplete = (step, unit) =>
      !excerpt || (inRange(step, excerpt.stay) && inRange(unit, excerpt.columns) && (!nearby || inRange(step, nearby.stay)));

    trace.token = (step) => header.tokens[step - page[0]] ?? String(step + 1);

    // All values of one quantity (name) at a step; null where they are not there.
    trace.row = (name, step) => {
      const array = arrays[name];
      if (!array || !inRange(step - array.first, [0, array.shape[0]])) return null;
      const width = array.shape[1] ?? 1;
      return array.data.subarray((step - array.first) * width, (step - array.first + 1) * width);
    };
    const entry = (array, step, column) => {
      const width = array.shape[1] ?? 1;
      return column < width && inRange(step - array.first, [0, array.shape[0]]) ? array.data[(step - array.first) * width + column] : undefined;
    };

    // Whether a quantity has that unit (a projected state has fewer), and its values are sent.
    trace.has = (name, unit) => unit < (arrays[name]?.shape[1] ?? 0)
      || Boolean(excerpt) && inRange(unit, excerpt.columns) && unit - excerpt.columns[0] < arrays[`column:${name}`].shape[1];

    // The value of one quantity at a step and unit; NaN where there is none, or it is not there.
    const found = (name, step, unit) => {
      if (excerpt && inRange(unit, excerpt.columns)) return entry(arrays[`column:${name}`], step, unit - excerpt.columns[0]);
      return arrays[name] ? entry(arrays[name], step, unit) : undefined;
    };
    trace.value = (name, step, unit) => found(name, step, unit) ?? NaN;

    // Whether a quantity has no value at a step: the value before an edit, at a step that the edit inserted.
    const inserted = { steps: new Set(header.options?.inserted?.steps), quantities: new Set(header.options?.inserted?.quantities) };
    trace.isMissing = (name, step) => inserted.steps.has(step) && inserted.quantities.has(name);
    trace.hasMissing = (name) => inserted.steps.size > 0 && inserted.quantities.has(name);

    // The same, to be displayed: null where there is none, NaN where the network computed NaN.
    trace.shown = (name, step, unit) => (trace.isMissing(name, step) ? null : found(name, step, unit) ?? null);

    // The state of this name that a step started from, all units; null where it is not there.
    trace.previous = (name, step) => {
      const array = arrays[name];
      if (!array || arrays[`${name}_prev`]) return trace.row(`${name}_prev`, step);
      const reverse = header.options.reverse;
      const first = reverse ? array.first + array.shape[0] - 1 : array.first;
      return step === first ? arrays[`${name}_before`]?.data ?? null : trace.row(name, reverse ? step + 1 : step - 1);
    };

    // The colour scale of a quantity: "unit" 0..1 for a gate that opens and closes (options.zero_one_gates), "signed" and symmetric about 0 for
    // anything else: -1..1 for the bounded (options.bounded), up to the largest magnitude in the sequence for the unbounded. Quantities
    // that are compared (options.alike) have one scale.
    const isOne = (list, name) => Boolean(header.options?.[list]?.includes(name));
    trace.scale = (name) => {
      if (scales.has(name)) return scales.get(name);
      let scale = { name: "unit", low: 0, high: 1 };
      if (!isOne("zero_one_gates", name)) {
        const compared = isOne("alike", name) ? header.options.alike : [name];
        const max = Math.max(...compared.map((each) => excerpt?.most[each] ?? largest(arrays[each].data)));
        const bounded = isOne("bounded", name) && max <= 1;
        scale = { name: "signed", low: bounded ? -1 : -max || -1, high: bounded ? 1 : max || 1 };
      }
      scales.set(name, scale);
      return scale;
    };
    // The colour scale of one unit of a quantity, for its tokens: of the unbounded, up to the unit's own largest magnitude, so that
    // changes of a unit with small values stay visible.
    trace.unitScale = (name, unit) => {
      const scale = trace.scale(name);
      if ((isOne("zero_one_gates", name) || isOne("bounded", name)) && scale.high <= 1) return scale;
      const key = `${name} ${unit}`;
      if (!unitScales.has(key)) {
        const max = excerpt ? excerpt.loudest[name]?.[unit - excerpt.columns[0]] ?? 0
          : largest(arrays[name].data, unit, arrays[name].shape[1]);
        unitScales.set(key, max > 0 ? { name: "signed", low: -max, high: max } : scale);
      }
      return unitScales.get(key);
    };
    return trace;
  }

  // The largest finite magnitude among every stride-th number.
  function largest(data, from = 0, stride = 1) {
    let max = 0;
    for (let k = from; k < data.length; k += stride) {
      const size = Math.abs(data[k]);
      if (size > max && size < Infinity) max = size;
    }
    return max;
  }

  function createStore(viewId) {
    const subscribers = new Set();
    let piece = null; // the values near the step, where they arrived before the excerpt that they belong to
    let requested = { step: 0, unit: 0, quantity: null }; // clamped only when shown, so that a longer trace can still follow it
    const followed = { step: -Infinity, unit: -Infinity, quantity: -Infinity }; // the revisions that set them

    const store = { viewId, trace: null, step: 0, unit: 0, quantity: null };

    const notify = (changed) => {
      if (!changed.size) return;
      for (const listener of [...subscribers]) {
        try { listener(changed); } catch (error) { console.error(error); } // one broken drawing must not stop the others
      }
      for (const watcher of [...watchers]) watcher(store, changed);
    };

    const clamp = (value, count) => Math.min(Math.max(Math.trunc(Number(value)) || 0, 0), count - 1);

    // Show what is requested, as far as the trace has it; returns what changed.
    const applyRequest = (changed = new Set()) => {
      if (!store.trace) return changed;
      const { steps, units, quantities, options } = store.trace;
      const shown = {
        step: clamp(requested.step, steps),
        unit: clamp(requested.unit, units),
        quantity: quantities.includes(requested.quantity) ? requested.quantity
          : options.default_quantity ?? quantities[0],
      };
      for (const [name, value] of Object.entries(shown)) {
        if (store[name] !== value) { store[name] = value; changed.add(name); }
      }
      return changed;
    };

    const request = (view) => {
      for (const name of ["step", "unit", "quantity"]) {
        if (view[name] !== undefined && view[name] !== null) requested[name] = view[name];
      }
    };

    // Move to {step, unit, quantity}, all optional; clamped to the trace.
    store.set = (view) => {
      if (store.trace) requested = { step: store.step, unit: store.unit, quantity: store.quantity };
      request(view);
      notify(applyRequest());
    };

    // Move to what the host has set since the last call: {step, unit, quantity, revision, since: {step, unit, quantity}}. "since" are
    // the revisions that set each of them, by default the view's; the others stay as the reader has them. Also before the trace arrives.
    store.follow = (view) => {
      if (!view) return;
      const wanted = {};
      for (const name of Object.keys(followed)) {
        const since = view.since?.[name] ?? view.revision;
        if (!(since > followed[name])) continue;
        followed[name] = since;
        wanted[name] = view[name];
      }
      request(wanted);
      notify(applyRequest());
    };

    // listener(changed): a Set of "trace", "near", "step", "unit", "quantity". Returns the function that unsubscribes it.
    store.subscribe = (listener) => {
      subscribers.add(listener);
      if (store.trace) listener(new Set(["trace", "step", "unit", "quantity"]));
      return () => subscribers.delete(listener);
    };

    const attachPiece = (changed) => {
      if (!piece || piece.header.of !== store.trace?.id) return changed;
      store.trace.add(piece.header, piece.arrays(piece.header.steps[0]));
      piece = null;
      return changed.add("near").add("step");
    };

    store.load = ({ header, arrays }) => {
      if (header.of) {
        piece = { header, arrays };
        return notify(attachPiece(new Set()));
      }
      if (store.trace?.id === header.id) return;
      store.trace = createTrace(header, arrays);
      notify(applyRequest(attachPiece(new Set(["trace"]))));
    };
    return store;
  }

  const store = (viewId) => {
    if (!stores.has(viewId)) stores.set(viewId, createStore(viewId));
    return stores.get(viewId);
  };
  // listener(store, changed): called for every store, after what is subscribed to it. Returns the function that ends that.
  store.watch = (listener) => {
    watchers.add(listener);
    return () => watchers.delete(listener);
  };
  // Load a payload into the store of the view that its header names; null while an array that it needs has not arrived.
  store.load = (bytes) => {
    const decoded = decode(bytes);
    const { compared } = decoded.header.options ?? {};
    if (compared && !unrolled.arrays.get(compared.array)) return null;
    const loaded = store(decoded.header.view_id);
    loaded.load(decoded);
    return { store: loaded, header: decoded.header };
  };
  return store;
})();
