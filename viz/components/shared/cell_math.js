// The arithmetic of one unit at one step, from the cell's description in the payload (viz/payloads/cell_description.py), for the cell
// diagram, the equations and the gate sum; and the quantity that the pointer is on. A slot is where one value is shown: a gate or state
// by its name, "forget_gate.x" and "forget_gate.h" for the input and the recurrent part of a gate's sum, biases and layer norms
// included, "intermediate.x" and "intermediate.h" for the factors of an intermediate state, "forget_gate.c" for the part of a gate's
// peephole, and "cell.mean" and others for the layer norm of the cell state.
unrolled.cellMath ??= (() => {
  const OPERATORS = {
    "+": (a, b) => a + b,
    "-": (a, b) => a - b,
    "*": (a, b) => a * b,
    "/": (a, b) => a / b,
    sigmoid: (a) => 1 / (1 + Math.exp(-a)),
    project: () => undefined, // depends on all units
  };

  /** The value of a tree: a number, the name of a value, or [operator, ...trees]. `functions`: the activations that it may name. */
  function evaluate(tree, values, functions = {}) {
    if (typeof tree === "number") return tree;
    if (typeof tree === "string") return values[tree];
    const [operator, ...branches] = tree;
    if (operator === "activation") {
      const [name, argument] = branches;
      return evaluate(functions[name].tree, { a: evaluate(argument, values, functions) });
    }
    return (OPERATORS[operator] ?? Math[operator])(...branches.map((branch) => evaluate(branch, values, functions)));
  }

  /** A function of {slot: value}, for a tree of a trace's cell. */
  const evaluator = (trace, tree) => {
    const names = namesIn(tree);
    // undefined where one of the values is not there
    return (values) => (names.some((name) => values[name] === undefined) ? undefined : evaluate(tree, values, trace.options.cell.functions));
  };

  /** The activation of a gate's sum, or of a state on its way to the output: {symbol, clip, apply(v), limits: [low, high]}; `clip` is
      the bound of the sum, null without. */
  function activation(trace, quantity) {
    const { activations, functions, gates } = trace.options.cell;
    const { symbol, tree, limits: [low, high] } = functions[activations[quantity]];
    const clip = gates?.[quantity]?.clip ?? null;
    const within = (v) => (clip === null ? v : Math.min(clip, Math.max(-clip, v)));
    return { symbol, clip, apply: (v) => evaluate(tree, { a: within(v) }), limits: [low ?? -Infinity, high ?? Infinity] };
  }

  /** Names of the values that a tree contains. */
  const namesIn = (tree) => (typeof tree === "string" ? [tree] : Array.isArray(tree) ? tree.slice(tree[0] === "activation" ? 2 : 1).flatMap(namesIn) : []);

  /** Row of the unit in the payload's weight arrays, or -1 where its weights are not there. */
  function row(trace, unit) {
    if (!trace.arrays.weight_ih || !trace.arrays.input) return -1;
    return trace.rows === "all" ? unit : (trace.rows ?? []).indexOf(unit);
  }

  /** The vector that a gate's recurrent weights are applied to: h_{t-1}, r * h_{t-1} where the reset comes first, or m_t. */
  function recurrentVector(trace, step, gate) {
    const tree = trace.options.cell.gates[gate].recurrent;
    const vectorOf = (name) => (name.endsWith("_prev") ? trace.previous(name.slice(0, -"_prev".length), step) : trace.row(name, step));
    if (typeof tree === "string") return vectorOf(tree);
    const vectors = Object.fromEntries(namesIn(tree).map((name) => [name, vectorOf(name)]));
    const valueOf = evaluator(trace, tree);
    return Float64Array.from(Object.values(vectors)[0], (_, k) =>
      valueOf(Object.fromEntries(Object.entries(vectors).map(([name, vector]) => [name, vector[k]]))));
  }

  /** The peephole's term of a gate's sum: {state, weight, value, product}; null without one. */
  function peepholeTerm(trace, step, unit, gate, r) {
    const { gates } = trace.options.cell;
    const state = gates[gate].peephole;
    if (!state) return null;
    const own = trace.options.cell.peepholes;
    const weight = trace.arrays.weight_ch.data[r * own.length + own.indexOf(gate)];
    const value = state.endsWith("_prev") ? trace.previous(state.slice(0, -"_prev".length), step)?.[unit] : trace.value(state, step, unit);
    return { state, weight, value, product: weight * value };
  }

  /** A layer norm at a step, as a product and a sum: {factor, offset}; the identity without one. */
  function norm(trace, step, part, place) {
    if (!trace.options.cell.norm?.products) return { factor: 1, offset: 0 };
    const [mean, deviation] = trace.row(`norm_${part}`, step) ?? [NaN, NaN];
    const [gain, shift] = ["gain", "shift"].map((name) => trace.arrays[`${name}_${part}`].data[place]);
    return { factor: gain / deviation, offset: shift - (gain / deviation) * mean };
  }

  /** Every term of one gate's sum: {input, recurrent: [{index, weight, value, product}], biasInput, biasHidden, peephole, x, h, c}, and
      the layer norms that make x and h of the sums of their terms, normInput and normHidden; null without the unit's weights. */
  function terms(trace, step, unit, gate) {
    const r = row(trace, unit);
    const { rows } = trace.options.cell;
    const g = rows.indexOf(gate);
    if (r < 0 || g < 0) return null;
    const G = rows.length;
    const products = (weights, vector) => {
      const start = (r * G + g) * vector.length;
      return Array.from(vector, (value, index) => {
        const weight = weights.data[start + index];
        return { index, weight, value, product: weight * value };
      });
    };
    const bias = (name) => trace.arrays[name]?.data[r * G + g] ?? 0;
    const input = products(trace.arrays.weight_ih, trace.row("input", step));
    const recurrent = products(trace.arrays.weight_hh, recurrentVector(trace, step, gate));
    const total = (list) => list.reduce((sum, term) => sum + term.product, 0);
    const biasInput = bias("bias_ih");
    const biasHidden = bias("bias_hh");
    const peephole = peepholeTerm(trace, step, unit, gate, r);
    const [normInput, normHidden] = ["ih", "hh"].map((part) => norm(trace, step, part, r * G + g));
    return {
      input, recurrent, biasInput, biasHidden, peephole, normInput, normHidden,
      x: (total(input) + biasInput) * normInput.factor + normInput.offset,
      h: (total(recurrent) + biasHidden) * normHidden.factor + normHidden.offset,
      c: peephole?.product,
    };
  }

  /** What multiplies the recurrent part of a gate's sum: the reset gate for a GRU's candidate as in PyTorch, else 1. */
  function recurrentFactor(trace, step, unit, gate) {
    const { factor } = trace.options.cell.gates[gate];
    const values = Object.fromEntries(namesIn(factor).map((name) => [name, trace.value(name, step, unit)]));
    return evaluator(trace, factor)(values);
  }

  /** {slot: value} of one unit at one step; undefined for a value that is not there. */
  function values(trace, step, unit) {
    if (last.trace === trace && last.step === step && last.unit === unit) return last.out;
    const out = {};
    for (const name of trace.quantities) out[name] = trace.shown(name, step, unit) ?? undefined;
    for (const name of trace.states) out[`${name}_prev`] = trace.previous(name, step)?.[unit];
    for (const gate of Object.keys(trace.options.cell.gates ?? {})) {
      const sum = terms(trace, step, unit, gate);
      out[`${gate}.x`] = sum?.x;
      out[`${gate}.h`] = sum?.h;
      if (trace.options.cell.gates[gate].peephole) out[`${gate}.c`] = sum?.c;
    }
    const r = row(trace, unit);
    if (trace.arrays.weight_mx && r >= 0) { // the factors of an intermediate state
      const product = (weights, vector) => vector?.reduce((sum, value, index) => sum + weights.data[r * vector.length + index] * value, 0);
      out["intermediate.x"] = product(trace.arrays.weight_mx, trace.row("input", step));
      out["intermediate.h"] = product(trace.arrays.weight_mh, trace.previous("hidden", step));
    }
    if (trace.options.cell.norm?.cell && r >= 0) {
      [out["cell.mean"], out["cell.deviation"]] = trace.row("norm_c", step) ?? [];
      [out["cell.gain"], out["cell.shift"]] = ["gain_c", "shift_c"].map((name) => trace.arrays[name].data[r]);
    }
    last = { trace, step, unit, out };
    return out;
  }
  let last = {}; // two components need the same values at every step

  /** A number in at most six characters and a sign: three decimals below ten, fewer above; "–" for undefined. */
  function format(v) {
    if (v === undefined || v === null) return "–";
    if (!Number.isFinite(v)) return Number.isNaN(v) ? "NaN" : v > 0 ? "∞" : "−∞";
    const size = Math.abs(v);
    let text;
    if (size >= 99995) text = size.toExponential(1).replace("e+", "e");
    else text = size.toFixed(size < 9.9995 ? 3 : size < 99.995 ? 2 : size < 999.95 ? 1 : 0);
    return (v < 0 && Number(text) !== 0 ? "−" : "") + text;
  }

  /** Set the data attributes of an element that shows a value, so that the document has the full number. */
  function setValue(element, trace, slot, step, unit, value) {
    element.dataset.slot = slot;
    if (slot.includes(".") || value === undefined || value === null) {
      for (const key of ["quantity", "layer", "unit", "step", "value"]) delete element.dataset[key];
      return;
    }
    Object.assign(element.dataset, { quantity: slot, layer: trace.layer, unit, step, value: String(value) });
  }

  // The quantity that the pointer or the keyboard is on, the same for all components of a view.
  const states = new WeakMap();
  const stateOf = (store) => {
    if (!states.has(store)) states.set(store, { name: null, listeners: new Set() });
    return states.get(store);
  };
  const focus = {
    get: (store) => stateOf(store).name,
    set(store, name) {
      const state = stateOf(store);
      if (state.name === name) return;
      state.name = name;
      for (const listener of [...state.listeners]) listener(name);
    },
    subscribe(store, listener) {
      stateOf(store).listeners.add(listener);
      return () => stateOf(store).listeners.delete(listener);
    },
  };

  return { evaluate, evaluator, activation, terms, values, recurrentFactor, namesIn, format, setValue, focus };
})();
