// What the explaining components (wiring, equations, arithmetic) share: the numbers of one unit at one step,
// how a number is written, and which quantity the reader points at. A slot is a place where one number is shown: a gate or state by
// its name, "forget_gate.x" and "forget_gate.h" for the input and the recurrent part of a gate's sum (biases included).
(() => {
  const unrolled = (window.unrolled ??= {});
  if (unrolled.unit) return;

  const clip = (v) => Math.min(1, Math.max(0, v));
  // What a gate's sum can go through, by the names of models/core/activations.py: how it is written, and what it makes of a number.
  const ACTIVATIONS = {
    tanh: { symbol: "tanh", of: Math.tanh, span: [-1, 1] },
    sigmoid: { symbol: "σ", of: (v) => 1 / (1 + Math.exp(-v)), span: [0, 1] },
    relu: { symbol: "relu", of: (v) => Math.max(0, v), span: [0, Infinity] },
    linear: { symbol: "linear", of: (v) => v, span: [-Infinity, Infinity] },
    hard_sigmoid: { symbol: "hard σ", of: (v) => clip(0.2 * v + 0.5), span: [0, 1] },
    hard_sigmoid_3: { symbol: "hard σ", of: (v) => clip(v / 6 + 0.5), span: [0, 1] },
    softsign: { symbol: "softsign", of: (v) => v / (1 + Math.abs(v)), span: [-1, 1] },
    elu: { symbol: "elu", of: (v) => (v > 0 ? v : Math.expm1(v)), span: [-1, Infinity] },
  };

  /** What a gate's sum goes through; for "cell" what an LSTM's cell is read through. */
  function activation(trace, gate) {
    const { nonlinearity = "tanh", activation: own = "tanh", recurrent_activation: recurrent = "sigmoid" } = trace.options ?? {};
    return ACTIVATIONS[gate === "preactivation" ? nonlinearity : gate === "candidate" || gate === "cell" ? own : recurrent];
  }

  /** Row of the unit in the payload's weight arrays, or -1 where its weights have not travelled. */
  function row(trace, unit) {
    if (!trace.arrays.weight_ih || !trace.arrays.input) return -1;
    return trace.rows === "all" ? unit : (trace.rows ?? []).indexOf(unit);
  }

  /** The vector a gate's recurrent weights are multiplied by: h_{t-1}, or r * h_{t-1} where the reset comes first. */
  function recurrentInput(trace, step, gate) {
    const previous = trace.before("hidden", step);
    if (!(trace.kind === "GRU" && gate === "candidate" && trace.options?.reset_after === false)) return previous;
    const reset = trace.row("reset_gate", step);
    return Float64Array.from(previous, (v, k) => v * reset[k]);
  }

  /** Every term of one gate's sum: {input, recurrent: [{index, weight, value, product}], biases, x, h}; null without rows. */
  function terms(trace, step, unit, gate) {
    const r = row(trace, unit);
    const g = trace.gates.indexOf(gate);
    if (r < 0 || g < 0) return null;
    const G = trace.gates.length;
    const inputs = trace.row("input", step);
    const products = (weights, vector) => {
      const n = vector.length;
      const start = (r * G + g) * n;
      return Array.from(vector, (value, index) => {
        const weight = weights.data[start + index];
        return { index, weight, value, product: weight * value };
      });
    };
    const bias = (name) => trace.arrays[name]?.data[r * G + g] ?? 0;
    const input = products(trace.arrays.weight_ih, inputs);
    const recurrent = products(trace.arrays.weight_hh, recurrentInput(trace, step, gate));
    const total = (list) => list.reduce((sum, term) => sum + term.product, 0);
    const biasInput = bias("bias_ih");
    const biasHidden = bias("bias_hh");
    return {
      input, recurrent, biasInput, biasHidden,
      x: total(input) + biasInput,
      h: total(recurrent) + biasHidden,
    };
  }

  /** What the reset gate does to the recurrent part of a GRU's candidate, as PyTorch has it: a factor, else 1. */
  function resetFactor(trace, step, unit, gate) {
    const after = trace.kind === "GRU" && gate === "candidate" && trace.options?.reset_after !== false;
    return after ? trace.value("reset_gate", step, unit) : 1;
  }

  /** {slot: number} of one unit at one step; a number that is not known is NaN. */
  function values(trace, step, unit) {
    if (last.trace === trace && last.step === step && last.unit === unit) return last.out;
    const out = {};
    for (const name of trace.quantities) out[name] = trace.value(name, step, unit);
    for (const name of ["hidden", "cell"]) out[`${name}_prev`] = trace.before(name, step)?.[unit] ?? NaN;
    for (const gate of trace.gates) {
      const sum = terms(trace, step, unit, gate);
      out[`${gate}.x`] = sum ? sum.x : NaN;
      out[`${gate}.h`] = sum ? sum.h : NaN;
    }
    last = { trace, step, unit, out };
    return out;
  }
  let last = {}; // two components ask for the same numbers at every step

  /** A number in at most six characters and a sign: three decimals below ten, fewer above. */
  function format(v) {
    if (!Number.isFinite(v)) return Number.isNaN(v) ? "–" : v > 0 ? "∞" : "−∞";
    const size = Math.abs(v);
    let text;
    if (size >= 99995) text = size.toExponential(1).replace("e+", "e");
    else text = size.toFixed(size < 9.9995 ? 3 : size < 99.995 ? 2 : size < 999.95 ? 1 : 0);
    return (v < 0 && Number(text) !== 0 ? "−" : "") + text;
  }

  /** Mark a live number's element so that a reader of the document finds the full value. */
  function mark(element, trace, slot, step, unit, value) {
    element.dataset.slot = slot;
    if (slot.includes(".") || Number.isNaN(value)) {
      for (const key of ["quantity", "layer", "unit", "step", "value"]) delete element.dataset[key];
      return;
    }
    Object.assign(element.dataset, { quantity: slot, layer: trace.layer, unit, step, value: String(value) });
  }

  // Which quantity the pointer or the keyboard is on, shared by all components of a view.
  const foci = new WeakMap();
  const focusOf = (store) => {
    if (!foci.has(store)) foci.set(store, { name: null, listeners: new Set() });
    return foci.get(store);
  };
  const focus = {
    get: (store) => focusOf(store).name,
    set(store, name) {
      const state = focusOf(store);
      if (state.name === name) return;
      state.name = name;
      for (const listener of [...state.listeners]) listener(name);
    },
    subscribe(store, listener) {
      focusOf(store).listeners.add(listener);
      return () => focusOf(store).listeners.delete(listener);
    },
  };

  unrolled.unit = { row, terms, values, resetFactor, activation, format, mark, focus };
})();
