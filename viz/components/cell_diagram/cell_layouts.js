// Where the parts of each kind of cell are in the diagram. The values on the wires come from the cell's equations in the payload
// (viz/payloads/cell_description.py); a kind without a layout of its own gets the general one.

/** The frame, evenly spaced columns, and heights shared by the layouts. */
function grid(width, columns, { bus = 392, tail = 0 } = {}) {
  const side = width < 640 ? 56 : 74;
  const left = side, right = width - side;
  const inner = right - left;
  const first = left + 24;
  const pitch = (right - 34 - tail - first) / columns;
  return { width, left, right, inner, x: (k) => first + pitch * (k + 0.5), pitch, top: 84, gates: 276, bus, base: bus + 24,
    floor: bus + 48, height: bus + 84, up: right - 24 };
}

const squash = (v) => Math.tanh(v / 2); // the strength of a part of a sum, relative to the range where a sigmoid or tanh changes

/** h_{t-1} and x_t run side by side under the boxes, with a tap to each box: W_hh h_{t-1} at x = h, W_ih x_t at x = x. */
function drawBuses(d, p, start, taps) {
  const last = taps[taps.length - 1];
  const entry = p.left + 26;
  const mixed = taps[0].part === "intermediate"; // the other boxes receive it in place of h_{t-1}
  d.wire("hidden_prev", [...start, [mixed ? taps[0].h : last.h, p.bus]]);
  if (mixed) {
    const [right, turn] = [taps[0].x + 8, middle(taps[0].x, taps[1].h)];
    d.wire("intermediate", [[right, p.gates], [turn, p.gates], [turn, p.bus], [last.h, p.bus]], (v) => squash(v.intermediate));
  }
  for (const tap of taps) d.bridge(tap.x, p.bus);
  d.wire("input", [[entry, p.height - 2], [entry, p.base], [last.x, p.base]], () => 0.2);
  d.symbol(d.group("input", "parts"), d.symbolOf("input"), entry + 12, p.height - 14, "start", 18);
  d.token(entry + 40, p.height - 14);
  for (const tap of taps) {
    const recurrent = (v) => squash(v[`${tap.part}.h`]);
    d.wire(tap.part, [[tap.h, p.bus], [tap.h, tap.reset ?? tap.hTop]], tap.before ?? recurrent);
    if (tap.reset) d.wire(tap.part, [[tap.h, tap.reset], [tap.h, tap.hTop]], tap.after);
    d.wire(tap.part, [[tap.x, p.base], [tap.x, tap.xTop]], (v) => squash(v[`${tap.part}.x`]));
    d.dot(mixed && tap !== taps[0] ? "intermediate" : "hidden_prev", tap.h, p.bus);
    d.dot("input", tap.x, p.base);
  }
}

/** The two taps of a gate's box, with their numbers one above the other so that they fit into narrow columns. */
function tappedBox(d, p, part, x, label) {
  d.box(part, label, x, p.gates);
  d.chip(part, `${part}.h`, x - 17, p.gates + 42);
  d.chip(part, `${part}.x`, x + 17, p.gates + 70);
  return { part, h: x - 17, x: x + 17, hTop: p.gates + 15, xTop: p.gates + 15 };
}

/** The output: h_t to the right at height y, and up out of the frame. */
function drawOutput(d, p, y, start, { crosses } = {}) {
  if (crosses !== undefined) d.bridge(p.up, crosses);
  d.wire("hidden", [...start, [p.width - 14, y]], undefined, { arrow: true });
  d.wire("hidden", [[p.up, y], [p.up, 16]], undefined, { arrow: true });
  d.dot("hidden", p.up, y);
  d.terminal("hidden", "hidden", p.width - 2, y, { anchor: "end" });
  d.symbol(d.group("hidden", "parts"), d.symbolOf("hidden"), p.up + 14, 22, "start", 18);
}

const middle = (a, b) => (a + b) / 2;

/** Peepholes, from a cell state on the line at the top into the left sides of the gates' boxes. */
function drawPeepholes(d, p, { cell }, [f, i, o]) {
  const turnY = 130; // where c_{t-1} turns to the right
  const left = Math.min(44, p.pitch / 2 + 1); // from the middle of a column, beside the numbers of both columns
  const entry = p.left + 10;
  const into = (gate, x, y) => {
    d.wire(cell.gates[gate].peephole, [[x - left, y], [x - left, 196]]);
    d.wire(gate, [[x - left, 196], [x - left, p.gates], [x - 25, p.gates]], (v) => squash(v[`${gate}.c`]));
    d.weights(gate, ["w", `c${cell.letters[gate]}`], x - left, 154);
    d.chip(gate, `${gate}.c`, x - left, 196, { width: 48 });
  };
  d.wire("cell_prev", [[entry, p.top], [entry, turnY], [i - left, turnY]]);
  d.bridge(f, turnY);
  d.dot("cell_prev", entry, p.top);
  if (cell.gates.forget_gate) d.dot("cell_prev", f - left, turnY);
  d.dot("cell", o - left, p.top);
  if (cell.gates.forget_gate) into("forget_gate", f, turnY);
  into("input_gate", i, turnY);
  into("output_gate", o, p.top);
}

/** A pill for the layer norm on the way of each product into a gate's box. */
function drawNorms(d, p, columns) {
  for (const [x, part] of columns) for (const side of [-17, 17]) d.box(part, "LN", x + side, p.gates + 96, { width: 30, pill: true });
}

function lstmLayout(d, width, { cell, valueOf, label, options }) {
  const { kept: keptTree, added: addedTree } = cell.carry;
  const product = options.projected ? cell.equations.hidden[1] : cell.equations.hidden; // o * tanh(c), or another activation of c
  const [kept, added, activated, output] = [keptTree, addedTree, product[2], product].map(valueOf);
  const mixed = "intermediate" in cell.equations; // a column of its own, before the gates
  const p = grid(width, mixed ? 6 : 5);
  const [f, i, g, o, out] = [0, 1, 2, 3, 4].map((k) => p.x(mixed ? k + 1 : k));
  const joinY = 150; // where i meets g
  const outputY = 206; // where o meets the activation of c
  d.frame(p.left, 44, p.inner, p.floor - 44);
  const coupled = !cell.gates.forget_gate; // the forget gate is 1 - i, without a sum of its own
  const coupledY = 217, coupledX = f + 0.4 * (i - f); // where 1 - i goes to the left
  const columns = [...(coupled ? [] : [[f, "forget_gate"]]), [i, "input_gate"], [g, "candidate"], [o, "output_gate"]];
  const factors = mixed ? [tappedBox(d, p, "intermediate", p.x(0), "×")] : [];
  drawBuses(d, p, [[4, p.bus]], [...factors, ...columns.map(([x, part]) => tappedBox(d, p, part, x, label(part)))]);
  if (mixed) d.chip("intermediate", "intermediate", p.x(0), p.gates - 38, { symbol: d.symbolOf("intermediate"), width: Math.min(86, p.pitch - 4) });

  if (cell.norm.products) drawNorms(d, p, columns);
  if (cell.gates.output_gate.peephole) drawPeepholes(d, p, { cell }, [f, i, o]);
  // Behind a valve, the wire's value is the product.
  d.wire("cell_prev", [[4, p.top], [f - 28, p.top]], (v) => Math.tanh(v.cell_prev));
  d.wire("cell", [[f - 28, p.top], [i, p.top]], (v) => Math.tanh(kept(v)));
  if (cell.norm.cell) d.wire("cell", [[i, p.top], [middle(i, g) - 8, p.top]], (v) => Math.tanh(kept(v) + added(v)));
  d.wire("cell", [[cell.norm.cell ? middle(i, g) - 8 : i, p.top], [out, p.top]], (v) => Math.tanh(v.cell));
  d.wire("cell", [[out, p.top], [p.width - 14, p.top]], (v) => Math.tanh(v.cell), { arrow: true });
  d.wire("forget_gate", coupled ? [[coupledX, coupledY], [f, coupledY], [f, p.top]] : [[f, p.gates - 15], [f, p.top]]);
  if (coupled) d.wire("input_gate", [[i, coupledY], [coupledX, coupledY]]);
  d.wire("input_gate", [[i, p.gates - 15], [i, joinY]]);
  d.wire("candidate", [[g, p.gates - 15], [g, joinY], [middle(i, g), joinY]]);
  d.wire("candidate", [[middle(i, g), joinY], [i, joinY]], added);
  d.wire("cell", [[i, joinY], [i, p.top]], added);
  d.wire("cell", [[out, p.top], [out, outputY - 32]], activated);
  d.wire("cell", [[out, outputY - 32], [out, outputY]], output);
  d.wire("output_gate", [[o, p.gates - 15], [o, outputY], [out, outputY]]);

  d.terminal("cell_prev", "cell_prev", 4, p.top);
  d.terminal("hidden_prev", "hidden_prev", 4, p.bus);
  d.valve("forget_gate", f - 28, p.top);
  d.node("forget_gate", "×", f, p.top);
  d.node("cell", "+", i, p.top);
  d.chip("cell", "kept", middle(f, i), p.top, { width: 48, value: kept });
  if (cell.norm.cell) d.box("cell", "LN", middle(i, g) - 8, p.top, { width: 36, pill: true });
  d.chip("cell", "cell", cell.norm.cell ? middle(g, o) - 8 : middle(i, out), p.top, { symbol: d.symbolOf("cell"), width: 86 });
  d.chip("cell", "added", i, middle(p.top, joinY), { value: added });
  d.valve("input_gate", middle(i, g), joinY);
  d.node("input_gate", "×", i, joinY);
  if (coupled) {
    d.dot("input_gate", i, coupledY);
    d.box("forget_gate", "1 −", coupledX, coupledY, { width: 42, pill: true });
    d.chip("forget_gate", "forget_gate", f, coupledY, { symbol: d.symbolOf("forget_gate"), width: Math.min(86, p.pitch - 4) });
  }
  for (const [x, part] of columns) {
    d.chip(part, part, x, p.gates - 38, { symbol: d.symbolOf(part), width: Math.min(86, p.pitch - 4) });
  }
  d.dot("cell", out, p.top);
  d.box("cell", label("cell"), out, p.top + 33, { pill: true });
  d.chip("cell", "activated_cell", out, p.top + 62, { value: activated });
  d.valve("output_gate", out, outputY - 32, { across: "x" });
  d.node("output_gate", "×", out, outputY);
  d.terminal("cell", "cell", p.width - 2, p.top, { anchor: "end" });

  if (options.projected) {
    d.wire("hidden", [[out, outputY], [out, 290]], output);
    d.chip("hidden", "unprojected", out, 246, { value: output });
    drawOutput(d, p, p.bus, [[out, 290], [out, p.bus]], { crosses: p.top });
    d.weights("hidden", ["W", "hr"], out, 290);
  } else {
    drawOutput(d, p, p.bus, [[out, outputY + 11], [out, p.bus]], { crosses: p.top });
  }
  d.chip("hidden", "hidden", out, p.bus - 26); // below the numbers of the neighbouring column
  return p;
}

function gruLayout(d, width, { cell, valueOf, label }) {
  const { kept: keptTree, added: addedTree } = cell.carry;
  const { recurrent, factor } = cell.gates.candidate;
  const resetsState = typeof recurrent !== "string"; // else the reset gate multiplies the recurrent part
  const [kept, added, addedShare] = [keptTree, addedTree, addedTree[1]].map(valueOf); // (1 - z) * n, and its factor 1 - z
  const resetState = valueOf(recurrent), resetPart = valueOf(["*", factor, "candidate.h"]);
  const p = grid(width, 3, { bus: resetsState ? 444 : 412, tail: 16 });
  const [z, r, n] = [0, 1, 2].map(p.x);
  const joinY = 160;
  const entry = p.left + 26;
  const branch = (r + n) / 2 - 8;
  const resetY = resetsState ? p.gates + 108 : p.gates + 48; // where r meets the state, or the recurrent part
  d.frame(p.left, 44, p.inner, p.floor - 44);
  d.bridge(entry, p.base);
  const tap = { part: "candidate", h: n - 24, x: n + 24, hTop: p.gates + 15, xTop: p.gates + 15, reset: resetY + 30 };
  if (resetsState) tap.before = (v) => v.hidden_prev;
  tap.after = (v) => (resetsState ? resetState(v) : squash(resetPart(v)));
  drawBuses(d, p, [[entry, p.top], [entry, p.bus]],
    [tappedBox(d, p, "update_gate", z, label("update_gate")), tappedBox(d, p, "reset_gate", r, label("reset_gate")), tap]);

  d.wire("hidden_prev", [[4, p.top], [z - 28, p.top]]);
  d.wire("hidden", [[z - 28, p.top], [n, p.top]], kept); // behind a valve, the wire's value is the product
  d.wire("update_gate", [[z, p.gates - 15], [z, p.top]]);
  d.wire("update_gate", [[z, joinY], [n, joinY]], addedShare);
  d.wire("candidate", [[n, p.gates - 15], [n, joinY + 30]]);
  d.wire("candidate", [[n, joinY + 30], [n, joinY]], added);
  d.wire("hidden", [[n, joinY], [n, p.top]], added);
  d.wire("reset_gate", [[r, p.gates - 15], [r, p.gates - 62], [branch, p.gates - 62], [branch, resetY], [tap.h, resetY]]);

  d.terminal("hidden_prev", "hidden_prev", 4, p.top);
  d.dot("hidden_prev", entry, p.top);
  d.valve("update_gate", z - 28, p.top);
  d.node("update_gate", "×", z, p.top);
  d.chip("hidden", "kept", (z + n) / 2, p.top, { value: kept });
  d.node("hidden", "+", n, p.top);
  d.chip("hidden", "added", n, (p.top + joinY) / 2, { value: added });
  d.dot("update_gate", z, joinY);
  d.box("update_gate", "1 −", z + p.pitch * 0.45, joinY, { width: 42, pill: true });
  d.chip("update_gate", "added_share", z + p.pitch * 1.25, joinY, { value: addedShare });
  d.node("update_gate", "×", n, joinY);
  d.valve("update_gate", n, joinY + 30, { across: "x", value: addedShare });
  for (const [x, part] of [[z, "update_gate"], [r, "reset_gate"], [n, "candidate"]]) d.chip(part, part, x, p.gates - 38, { symbol: d.symbolOf(part) });
  d.box("candidate", label("candidate"), n, p.gates, { width: 84 });
  d.chip("candidate", "candidate.x", tap.x + 8, p.gates + 70);
  if (resetsState) {
    d.chip("candidate", "candidate.h", tap.h - 8, p.gates + 37);
    d.weights("candidate", ["W", `h${cell.letters.candidate}`], tap.h, p.gates + 70);
    d.node("reset_gate", "×", tap.h, resetY);
    d.valve("reset_gate", tap.h, resetY + 30, { across: "x" });
  } else {
    d.node("reset_gate", "×", tap.h, resetY);
    d.valve("reset_gate", tap.h, resetY + 30, { across: "x" });
    d.chip("candidate", "candidate.h", tap.h - 8, resetY + 58);
  }
  drawOutput(d, p, p.top, [[n, p.top]]);
  return p;
}

function rnnLayout(d, width, { label }) {
  const p = grid(width, 1, { bus: 372 });
  const x = p.x(0);
  const sumY = 268;
  const turnY = 110;
  d.frame(p.left, 44, p.inner, p.floor - 44);
  drawBuses(d, p, [[4, p.bus]], [{ part: "preactivation", h: x - 40, x: x + 40, hTop: sumY + 40, xTop: sumY + 40 }]);
  d.wire("preactivation", [[x - 40, sumY + 44], [x - 40, sumY], [x, sumY]], (v) => squash(v["preactivation.h"]));
  d.wire("preactivation", [[x + 40, sumY + 44], [x + 40, sumY], [x, sumY]], (v) => squash(v["preactivation.x"]));
  d.wire("preactivation", [[x, sumY], [x, 180]], (v) => squash(v.preactivation));
  d.terminal("hidden_prev", "hidden_prev", 4, p.bus);
  d.chip("preactivation", "preactivation.h", x - 40, sumY + 52);
  d.chip("preactivation", "preactivation.x", x + 40, sumY + 52);
  d.node("preactivation", "+", x, sumY);
  d.chip("preactivation", "preactivation", x, sumY - 36, { symbol: d.symbolOf("preactivation"), width: 86 });
  drawOutput(d, p, turnY, [[x, 165], [x, turnY]]);
  d.box("hidden", label("preactivation"), x, 190);
  d.chip("hidden", "hidden", x, 148, { symbol: d.symbolOf("hidden"), width: 86 });
  return p;
}

/** Any cell: a box for each gate with its taps, above them a line for each state, and from the gates to a state what its equation names. */
function generalLayout(d, width, { cell, label, gates, states }) {
  const p = grid(width, gates.length + 1);
  const columns = Object.fromEntries(gates.map((gate, k) => [gate, p.x(k)]));
  const out = p.x(gates.length);
  const yOf = (k) => p.top + (k * (p.gates - 110 - p.top)) / Math.max(states.length - 1, 1);
  d.frame(p.left, 44, p.inner, p.floor - 44);
  drawBuses(d, p, [[4, p.bus]], gates.map((gate) => tappedBox(d, p, gate, columns[gate], cell.activations[gate] ? label(gate) : "+")));
  d.terminal("hidden_prev", "hidden_prev", 4, p.bus);
  states.forEach((state, k) => {
    const names = unrolled.cellMath.namesIn(cell.equations[state]);
    const y = yOf(k);
    if (names.includes(`${state}_prev`)) {
      d.wire(`${state}_prev`, [[4, y], [out, y]], (v) => squash(v[`${state}_prev`]));
      if (state !== "hidden") d.terminal(`${state}_prev`, `${state}_prev`, 4, y);
    }
    for (const gate of gates) if (names.includes(gate)) d.wire(gate, [[columns[gate], p.gates - 15], [columns[gate], y], [out, y]], (v) => squash(v[gate]));
    for (const other of states) if (names.includes(other)) d.wire(other, [[out, yOf(states.indexOf(other))], [out, y]], (v) => squash(v[other]));
    if (state === "hidden") drawOutput(d, p, y, [[out, y]]);
    else {
      d.wire(state, [[out, y], [p.width - 14, y]], (v) => squash(v[state]), { arrow: true });
      d.terminal(state, state, p.width - 2, y, { anchor: "end" });
    }
    d.chip(state, state, out, y, { symbol: d.symbolOf(state), width: 86 });
  });
  for (const gate of gates) d.chip(gate, gate, columns[gate], p.gates - 38, { symbol: d.symbolOf(gate), width: Math.min(86, p.pitch - 4) });
  return p;
}

/** A cell of the user's own: a box for each gate and state, from top to bottom in the order of computation. On the left a line for
    the input, each previous state and each gate or state that a formula uses; a dot is where a formula takes it. */
function boxLayout(d, width, { cell, states }) {
  const ROW = 58, LANE = 22, TOP = 116;
  const ENTRY = Math.max(64, ...states.map((state) => 30 + 10 * cell.letters[state].length)); // between the lines that enter at the top
  const order = Object.keys(cell.sources);
  const rowOf = (k) => TOP + k * ROW;
  const lastUse = {}, wanted = new Set();
  order.forEach((name, k) => (cell.sources[name] ?? []).forEach((source) => { lastUse[source] = k; wanted.add(source); }));
  const entries = ["input", ...states.map((state) => `${state}_prev`)].filter((source) => wanted.has(source));
  const lanes = [...entries, ...order.filter((name) => wanted.has(name))];
  const laneX = Object.fromEntries(lanes.map((name, k) => [name, 40 + (k < entries.length ? k * ENTRY : (entries.length - 1) * ENTRY + (k - entries.length + 1) * LANE + 16)]));
  const boxWidth = Math.max(90, ...order.map((name) => 20 + 8.5 * (d.words.names[name] ?? name).length));
  const left = Math.max(60, ...Object.values(laneX)) + 30;
  const x = Math.max(left + boxWidth / 2, middle(left, width - 190));
  const height = rowOf(order.length - 1) + 50;
  d.frame(10, 62, width - 20, height - 72);
  for (const source of entries) {
    d.wire(source, [[laneX[source], 56], [laneX[source], rowOf(lastUse[source])]], source === "input" ? () => 0.2 : (v) => squash(v[source]));
    if (source === "input") d.symbol(d.group("input", "parts"), d.symbolOf("input"), laneX.input, 34, "middle", 18);
    else d.terminal(source, source, laneX[source] - 18, 32);
  }
  d.token(Math.min(width - 90, 60 + entries.length * ENTRY), 24);
  order.forEach((name, k) => {
    const y = rowOf(k), sources = cell.sources[name] ?? [];
    if (sources.length) {
      const from = Math.min(...sources.map((source) => laneX[source]));
      d.wire(name, [[from, y], [x - boxWidth / 2, y]], () => 0.2);
      for (const source of sources) d.dot(source, laneX[source], y);
    }
    if (wanted.has(name)) {
      const start = x - boxWidth / 2 + 14;
      d.wire(name, [[start, y + 15], [start, y + 27], [laneX[name], y + 27], [laneX[name], rowOf(lastUse[name])]], (v) => squash(v[name]));
    }
    const isState = states.includes(name), end = x + boxWidth / 2;
    d.wire(name, [[end, y], [isState ? width - 26 : end + 20, y]], (v) => squash(v[name]), { arrow: isState });
    d.box(name, d.words.names[name] ?? name, x, y, { width: boxWidth });
    d.chip(name, name, end + 58, y, { width: 76 });
  });
  return { height };
}

/** The layout of each kind, the minimal and maximal width of its drawing, and the layout of narrower drawings. */
const LAYOUTS = {
  LSTM: { draw: lstmLayout, min: 530, max: 1240, upright: uprightLstm },
  GRU: { draw: gruLayout, min: 520, max: 1040, upright: uprightGru },
  RNN: { draw: rnnLayout, min: 320, max: 640 },
};

function layoutOf({ kind, gates, states, options }) {
  if (options.cell.sources) return { draw: boxLayout, min: 420 + 22 * (gates.length + states.length) + 64 * states.length, max: 900 };
  if (kind === "LSTM" && options.cell.equations.intermediate) return { ...LAYOUTS.LSTM, min: 700 };
  return LAYOUTS[kind] ?? { draw: generalLayout, min: 230 + 100 * gates.length, max: 440 + 240 * gates.length };
}
