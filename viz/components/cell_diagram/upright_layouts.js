// The cells from top to bottom, for a telephone: a row for each gate, the state on a line at the left, h and x on lines at the right.

const UPRIGHT = { width: 350, lane: 46, join: 122, chip: 178, box: 228, tap: 284, hidden: 319, input: 335 }; // x of each line and column
const ROW = 84; // from one gate's row to the next

/** The columns; with layer norms of the products, or long names on the boxes, the right ones are further right. */
function uprightColumns(cell, label, gates) {
  const longest = Math.max(...gates.filter((gate) => cell.activations[gate]).map((gate) => label(gate).length));
  const wider = Math.max(0, 7 * longest - 34), norms = cell.norm?.products ? 36 : 0;
  const { width, box, tap, hidden, input, ...left } = UPRIGHT;
  return { ...left, box: box + wider / 2, tap: tap + wider, hidden: hidden + wider + norms, input: input + wider + norms,
    width: width + wider + norms, norms, half: 22 + wider / 2 };
}

/** A box with the recurrent part on its upper wire and the input's on its lower one. */
function uprightBox(d, p, part, y, label, { norm = true } = {}) {
  for (const [x, at, name] of [[p.hidden, y - 14, "h"], [p.input, y + 14, "x"]]) {
    if (name === "x") d.bridge(p.hidden, at, false);
    d.wire(part, [[x, at], [p.box + p.half, at]], (v) => squash(v[`${part}.${name}`]));
    d.dot(name === "x" ? "input" : p.source ?? "hidden_prev", x, at);
    if (norm && p.norms) d.box(part, "LN", p.tap + 45, at, { width: 30, pill: true });
    d.chip(part, `${part}.${name}`, p.tap, at);
  }
  d.box(part, label, p.box, y, { width: 2 * p.half, height: 56 });
}

/** A gate's number, on its wire to the left or below its box. */
function uprightGate(d, part, x, y) {
  d.chip(part, part, x, y, { symbol: d.symbolOf(part), width: 54 });
}

/** The frame, c and h at their entry, x and the token below; `end` is the lower edge of the frame. */
function uprightFrame(d, p, end, { lane, hidden }) {
  d.frame(4, 44, p.width - 8, end - 44);
  d.besideWire(`${lane}_prev`, p.lane, 22);
  if (hidden) d.besideWire("hidden_prev", p.hidden, 22, { isLast: true });
  d.symbol(d.group("input", "parts"), d.symbolOf("input"), p.input - 8, end + 20, "end", 18);
  d.token(p.width - 2, end + 46, { anchor: "end" });
}

/** A state's way out of the frame. */
function uprightOutput(d, part, x, start, end, value) {
  d.wire(part, [[x, start], [x, end + 40]], value, { arrow: true });
  d.besideWire(part, x, end + 20);
}

function uprightLstm(d, { cell, valueOf, label, options, gates }) {
  const p = uprightColumns(cell, label, gates);
  const { kept: keptTree, added: addedTree } = cell.carry;
  const product = options.projected ? cell.equations.hidden[1] : cell.equations.hidden; // o * tanh(c), or another activation of c
  const [kept, added, activated, output] = [keptTree, addedTree, product[2], product].map(valueOf);
  const peepholes = Boolean(cell.gates.output_gate.peephole), mixed = "intermediate" in cell.equations;
  const coupled = !cell.gates.forget_gate; // the forget gate is 1 - i, without a sum of its own
  const gap = peepholes ? 40 : 0; // above a row, for the wire from the cell state
  const first = 104 + (mixed ? 130 : 0) + gap;
  const [f, i, g, o] = [0, 1, 2, 3].map((k) => first + k * ROW + [0, 1, 1, 2][k] * gap + (k > 1 && cell.norm.cell ? 20 : 0));
  const out = o + 104; // where o meets the activation of c
  const end = out + (options.projected ? 122 : 34);
  uprightFrame(d, p, end, { lane: "cell", hidden: true });

  const turn = mixed ? 90 + 84 : 0; // where the intermediate state takes the place of h
  d.wire("hidden_prev", [[p.hidden, 4], [p.hidden, mixed ? 90 - 14 : o - 14]]);
  d.wire("input", [[p.input, end + 32], [p.input, (mixed ? 90 : coupled ? i : f) + 14]], () => 0.2);
  if (mixed) {
    uprightBox(d, p, "intermediate", 90, "×");
    d.wire("intermediate", [[p.box, 118], [p.box, turn], [p.hidden, turn], [p.hidden, o - 14]], (v) => squash(v.intermediate));
    uprightGate(d, "intermediate", p.box, 90 + 64);
  }
  const rows = [...(coupled ? [] : [[f, "forget_gate"]]), [i, "input_gate"], [g, "candidate"], [o, "output_gate"]];
  for (const [y, part] of rows) uprightBox(d, { ...p, source: mixed ? "intermediate" : "hidden_prev" }, part, y, label(part));

  // Behind a valve, the wire's value is the product.
  d.wire("cell_prev", [[p.lane, 4], [p.lane, f - 28]], (v) => Math.tanh(v.cell_prev));
  d.wire("cell", [[p.lane, f - 28], [p.lane, i]], (v) => Math.tanh(kept(v)));
  const normed = i + 34;
  if (cell.norm.cell) d.wire("cell", [[p.lane, i], [p.lane, normed]], (v) => Math.tanh(kept(v) + added(v)));
  d.wire("cell", [[p.lane, cell.norm.cell ? normed : i], [p.lane, out]], (v) => Math.tanh(v.cell));
  uprightOutput(d, "cell", p.lane, out, end, (v) => Math.tanh(v.cell));
  const left = p.box - p.half;
  if (coupled) d.wire("input_gate", [[p.join + 18, i], [p.join + 18, f + 20]]);
  d.wire("forget_gate", coupled ? [[p.join + 18, f + 20], [p.join + 18, f], [p.lane, f]] : [[left, f], [p.lane, f]]);
  d.wire("input_gate", [[left, i], [p.join, i]]);
  d.wire("candidate", [[left, g], [p.join, g], [p.join, i + 34]]);
  d.wire("candidate", [[p.join, i + 34], [p.join, i]], added);
  d.wire("cell", [[p.join, i], [p.lane, i]], added);
  d.wire("output_gate", [[p.box, o + 28], [p.box, out]]);
  const pill = p.lane + 14 + Math.max(25, 5 + 3.5 * label("cell").length), number = 2 * pill - p.lane + 14; // activation, and what it returns
  d.wire("cell", [[p.lane, out], [number + 36, out]], activated);
  d.wire("cell", [[number + 36, out], [p.box, out]], output);

  if (peepholes) uprightPeepholes(d, p, cell, { f, i, o, gap });
  d.valve("forget_gate", p.lane, f - 28, { across: "x" });
  d.node("forget_gate", "×", p.lane, f);
  d.node("cell", "+", p.lane, i);
  d.chip("cell", "kept", p.lane, middle(f, i), { value: kept });
  if (cell.norm.cell) d.box("cell", "LN", p.lane, normed, { width: 36, pill: true });
  d.chip("cell", "cell", p.lane, middle(i, o) + (cell.norm.cell ? 24 : 0), { symbol: d.symbolOf("cell"), width: 54 });
  d.chip("cell", "added", middle(p.lane, p.join), i, { value: added, width: 54 });
  d.valve("input_gate", p.join, i + 34, { across: "x" });
  d.node("input_gate", "×", p.join, i);
  if (coupled) {
    d.dot("input_gate", p.join + 18, i);
    d.box("forget_gate", "1 −", p.join + 18, f + 34, { width: 42, pill: true });
    uprightGate(d, "forget_gate", p.join - 18, f);
  }
  for (const [y, part] of rows.slice(0, -1)) uprightGate(d, part, p.chip, y);
  uprightGate(d, "output_gate", p.box, o + 64);
  d.dot("cell", p.lane, out);
  d.box("cell", label("cell"), pill, out, { pill: true });
  d.chip("cell", "activated_cell", number, out, { value: activated });
  d.valve("output_gate", number + 36, out);
  if (options.projected) {
    d.wire("hidden", [[p.box, out], [p.box, out + 88]], output);
    d.chip("hidden", "unprojected", p.box, out + 34, { value: output });
    d.weights("hidden", ["W", "hr"], p.box, out + 76);
  }
  uprightOutput(d, "hidden", p.box, options.projected ? out + 92 : out, end);
  d.node("output_gate", "×", p.box, out);
  return { width: p.width, height: end + 62 };
}

/** Peepholes: from the previous cell state into the tops of the input and forget gates' boxes, from the new one into the output gate's. */
function uprightPeepholes(d, p, cell, { f, i, o, gap }) {
  const into = (gate, from, y, source) => {
    d.wire(source, [[from, y], [p.join, y]]);
    d.wire(gate, [[p.join, y], [p.box, y], [p.box, y + gap - 18]], (v) => squash(v[`${gate}.c`]));
    d.weights(gate, ["w", `c${cell.letters[gate]}`], p.join, y);
    d.chip(gate, `${gate}.c`, p.chip, y);
    d.dot(source, from, y);
  };
  const above = (y) => y - 28 - gap + 18;
  const beside = p.lane + 38; // a line of its own for c before the forget gate
  const start = cell.gates.forget_gate ? above(f) : f - 56;
  d.wire("cell_prev", [[p.lane, start], [beside, start], [beside, above(i)]]);
  if (cell.gates.forget_gate) into("forget_gate", beside, above(f), "cell_prev");
  d.bridge(beside, f);
  d.wire("forget_gate", [[beside + 8, f], [beside - 8, f]]);
  d.dot("cell_prev", p.lane, start);
  into("input_gate", beside, above(i), "cell_prev");
  into("output_gate", p.lane, above(o), "cell");
}

function uprightGru(d, { cell, valueOf, label, gates }) {
  const p = uprightColumns(cell, label, gates);
  const { kept: keptTree, added: addedTree } = cell.carry;
  const { recurrent, factor } = cell.gates.candidate;
  const resetsState = typeof recurrent !== "string"; // else the reset gate multiplies the recurrent part
  const [kept, added, addedShare] = [keptTree, addedTree, addedTree[1]].map(valueOf); // (1 - z) * n, and its factor 1 - z
  const resetState = valueOf(recurrent), resetPart = valueOf(["*", factor, "candidate.h"]);
  const [z, r] = [140, 140 + ROW];
  const reset = r + 104; // where r meets the state, or the recurrent part
  const n = reset + (resetsState ? 154 : 72);
  const end = n + 62;
  const left = p.box - p.half, entry = 68; // where h turns to its line at the right
  uprightFrame(d, p, end, { lane: "hidden" });
  d.wire("hidden_prev", [[p.lane, entry], [p.hidden, entry], [p.hidden, reset], [resetsState ? p.box : p.tap, reset]]);
  d.wire("input", [[p.input, end + 32], [p.input, z + 14]], () => 0.2);
  uprightBox(d, p, "update_gate", z, label("update_gate"));
  uprightBox(d, p, "reset_gate", r, label("reset_gate"));

  d.wire("hidden_prev", [[p.lane, 4], [p.lane, z - 28]]);
  d.wire("hidden", [[p.lane, z - 28], [p.lane, n]], kept); // behind a valve, the wire's value is the product
  uprightOutput(d, "hidden", p.lane, n, end);
  d.wire("update_gate", [[left, z], [p.lane, z]]);
  d.wire("update_gate", [[p.join, z], [p.join, n]], addedShare);
  d.wire("candidate", [[left, n], [p.join + 19, n]]);
  d.wire("candidate", [[p.join + 19, n], [p.join, n]], added);
  d.wire("hidden", [[p.join, n], [p.lane, n]], added);
  d.wire("reset_gate", [[p.box, r + 28], [p.box, reset]]);
  if (!resetsState) d.wire("candidate", [[p.tap, reset], [p.box, reset]], (v) => squash(v["candidate.h"]));
  d.wire("candidate", [[p.box, reset], [p.box, n - 28]], resetsState ? resetState : (v) => squash(resetPart(v)));
  d.wire("candidate", [[p.input, n], [p.box + p.half, n]], (v) => squash(v["candidate.x"]));

  d.dot("hidden_prev", p.lane, entry);
  d.dot("input", p.input, n);
  d.valve("update_gate", p.lane, z - 28, { across: "x" });
  d.node("update_gate", "×", p.lane, z);
  d.chip("hidden", "kept", p.lane, middle(z, n), { value: kept });
  d.node("hidden", "+", p.lane, n);
  d.chip("hidden", "added", middle(p.lane, p.join), n, { value: added, width: 54 });
  d.dot("update_gate", p.join, z);
  d.box("update_gate", "1 −", p.join, z + 52, { width: 42, pill: true });
  d.chip("update_gate", "added_share", p.join, z + 98, { value: addedShare });
  d.node("update_gate", "×", p.join, n);
  d.valve("update_gate", p.join + 19, n, { value: addedShare });
  uprightGate(d, "update_gate", p.chip, z);
  uprightGate(d, "reset_gate", p.box, r + 64);
  uprightGate(d, "candidate", p.chip, n);
  d.node("reset_gate", "×", p.box, reset);
  d.valve("reset_gate", p.box, reset + 26, { across: "x" });
  if (resetsState) {
    d.weights("candidate", ["W", `h${cell.letters.candidate}`], p.box, reset + 66);
    d.chip("candidate", "candidate.h", p.box, reset + 104);
  } else {
    d.chip("candidate", "candidate.h", p.tap, reset);
  }
  d.box("candidate", label("candidate"), p.box, n, { width: 2 * p.half, height: 56 });
  d.chip("candidate", "candidate.x", p.tap, n);
  return { width: p.width, height: end + 62 };
}
