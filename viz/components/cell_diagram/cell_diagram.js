// The cell as the wiring diagram of the textbooks, with one unit's live number on every wire.

/** Where things stand: the frame, evenly spread columns, and heights shared by the cells. */
function plan(width, columns, { bus = 392, tail = 0 } = {}) {
  const side = width < 640 ? 56 : 74;
  const left = side, right = width - side;
  const inner = right - left;
  const first = left + 24;
  const pitch = (right - 34 - tail - first) / columns;
  return { width, left, right, inner, x: (k) => first + pitch * (k + 0.5), pitch, top: 84, gates: 276, bus, base: bus + 24,
    floor: bus + 48, height: bus + 84, up: right - 24 };
}

const squash = (v) => Math.tanh(v / 2); // how strong a part of a sum is, against what a sigmoid or tanh can tell apart

/** h_{t-1} and x_t run side by side under the boxes, and each box taps both: W_hh h_{t-1} at x = h, W_ih x_t at x = x. */
function buses(d, p, start, taps) {
  const last = taps[taps.length - 1];
  const entry = p.left + 26;
  d.wire("hidden_prev", [...start, [last.h, p.bus]]);
  for (const tap of taps) d.bridge(tap.x, p.bus);
  d.wire("input", [[entry, p.height - 2], [entry, p.base], [last.x, p.base]], () => 0.2);
  d.symbol(d.group("input", "parts"), "input", SYMBOL.input, entry + 12, p.height - 14, "start", 18);
  d.token(entry + 40, p.height - 14);
  for (const tap of taps) {
    const recurrent = (v) => squash(v[`${tap.part}.h`]);
    d.wire(tap.part, [[tap.h, p.bus], [tap.h, tap.reset ?? tap.hTop]], tap.before ?? recurrent);
    if (tap.reset) d.wire(tap.part, [[tap.h, tap.reset], [tap.h, tap.hTop]], tap.after);
    d.wire(tap.part, [[tap.x, p.base], [tap.x, tap.xTop]], (v) => squash(v[`${tap.part}.x`]));
    d.dot("hidden_prev", tap.h, p.bus);
    d.dot("input", tap.x, p.base);
  }
}

/** The two taps of a box of weights, with their numbers one above the other so that narrow columns hold them. */
function tapped(d, p, part, x, label) {
  d.box(part, label, x, p.gates);
  d.chip(part, `${part}.h`, x - 17, p.gates + 42);
  d.chip(part, `${part}.x`, x + 17, p.gates + 70);
  return { part, h: x - 17, x: x + 17, hTop: p.gates + 15, xTop: p.gates + 15 };
}

/** What leaves: h_t to the right along y, and up out of the frame. */
function leave(d, p, y, start, { crosses } = {}) {
  if (crosses !== undefined) d.bridge(p.up, crosses);
  d.wire("hidden", [...start, [p.width - 14, y]], undefined, { arrow: true });
  d.wire("hidden", [[p.up, y], [p.up, 16]], undefined, { arrow: true });
  d.dot("hidden", p.up, y);
  d.terminal("hidden", "hidden", p.width - 2, y, { anchor: "end" });
  d.symbol(d.group("hidden", "parts"), "hidden", SYMBOL.hidden, p.up + 14, 22, "start", 18);
}

function lstm(d, width, trace) {
  const through = (part) => unrolled.unit.activation(trace, part);
  const readCell = (v) => through("cell").of(v.cell);
  const p = plan(width, 5);
  const [f, i, g, o, out] = [0, 1, 2, 3, 4].map(p.x);
  const join = 150; // where i meets g
  const read = 206; // where o meets tanh(c), or another activation of c
  const middle = (a, b) => (a + b) / 2;
  d.frame(p.left, 44, p.inner, p.floor - 44);
  buses(d, p, [[4, p.bus]], [[f, "forget_gate"], [i, "input_gate"], [g, "candidate"], [o, "output_gate"]]
    .map(([x, part]) => tapped(d, p, part, x, through(part).symbol)));

  // Behind a valve runs what passed it: the product.
  d.wire("cell_prev", [[4, p.top], [f - 28, p.top]], (v) => Math.tanh(v.cell_prev));
  d.wire("cell", [[f - 28, p.top], [i, p.top]], (v) => Math.tanh(v.forget_gate * v.cell_prev));
  d.wire("cell", [[i, p.top], [out, p.top]], (v) => Math.tanh(v.cell));
  d.wire("cell", [[out, p.top], [p.width - 14, p.top]], (v) => Math.tanh(v.cell), { arrow: true });
  d.wire("forget_gate", [[f, p.gates - 15], [f, p.top]]);
  d.wire("input_gate", [[i, p.gates - 15], [i, join]]);
  const write = (v) => v.input_gate * v.candidate;
  d.wire("candidate", [[g, p.gates - 15], [g, join], [middle(i, g), join]]);
  d.wire("candidate", [[middle(i, g), join], [i, join]], write);
  d.wire("cell", [[i, join], [i, p.top]], write);
  const said = (v) => v.output_gate * readCell(v);
  d.wire("cell", [[out, p.top], [out, read - 32]], readCell);
  d.wire("cell", [[out, read - 32], [out, read]], said);
  d.wire("output_gate", [[o, p.gates - 15], [o, read], [out, read]]);

  d.terminal("cell_prev", "cell_prev", 4, p.top);
  d.terminal("hidden_prev", "hidden_prev", 4, p.bus);
  d.valve("forget_gate", f - 28, p.top);
  d.node("forget_gate", "×", f, p.top);
  d.node("cell", "+", i, p.top);
  d.chip("cell", "kept", middle(f, i), p.top, { width: 48, value: (v) => v.forget_gate * v.cell_prev });
  d.chip("cell", "cell", middle(i, out), p.top, { symbol: SYMBOL.cell });
  d.chip("cell", "written", i, middle(p.top, join), { value: write });
  d.valve("input_gate", middle(i, g), join);
  d.node("input_gate", "×", i, join);
  for (const [x, part] of [[f, "forget_gate"], [i, "input_gate"], [g, "candidate"], [o, "output_gate"]]) {
    d.chip(part, part, x, p.gates - 38, { symbol: SYMBOL[part], width: Math.min(74, p.pitch - 4) });
  }
  d.dot("cell", out, p.top);
  d.box("cell", through("cell").symbol, out, p.top + 33, { pill: true });
  d.chip("cell", "read_cell", out, p.top + 62, { value: readCell });
  d.valve("output_gate", out, read - 32, { across: "x" });
  d.node("output_gate", "×", out, read);
  d.terminal("cell", "cell", p.width - 2, p.top, { anchor: "end" });

  if (trace.options?.projected) {
    d.wire("hidden", [[out, read], [out, 290]], said);
    d.chip("hidden", "read", out, 246, { value: said });
    leave(d, p, p.bus, [[out, 290], [out, p.bus]], { crosses: p.top });
    d.weights("hidden", ["W", "hr"], out, 290);
  } else {
    leave(d, p, p.bus, [[out, read + 11], [out, p.bus]], { crosses: p.top });
  }
  d.chip("hidden", "hidden", out, p.bus - 26); // below the numbers of the column beside it
  return p;
}

function gru(d, width, trace) {
  const label = (part) => unrolled.unit.activation(trace, part).symbol;
  const before = trace.options?.reset_after === false;
  const p = plan(width, 3, { bus: before ? 444 : 412, tail: 16 });
  const [z, r, n] = [0, 1, 2].map(p.x);
  const join = 160;
  const entry = p.left + 26;
  const branch = (r + n) / 2 - 8;
  const reset = before ? p.gates + 108 : p.gates + 48; // where r meets the recurrent part
  d.frame(p.left, 44, p.inner, p.floor - 44);
  d.bridge(entry, p.base);
  const nTap = { part: "candidate", h: n - 24, x: n + 24, hTop: p.gates + 15, xTop: p.gates + 15, reset: reset + 30 };
  if (before) nTap.before = (v) => v.hidden_prev;
  nTap.after = (v) => (before ? v.reset_gate * v.hidden_prev : squash(v.reset_gate * v["candidate.h"]));
  buses(d, p, [[entry, p.top], [entry, p.bus]], [tapped(d, p, "update_gate", z, label("update_gate")), tapped(d, p, "reset_gate", r, label("reset_gate")), nTap]);

  const kept = (v) => v.update_gate * v.hidden_prev;
  const written = (v) => (1 - v.update_gate) * v.candidate;
  d.wire("hidden_prev", [[4, p.top], [z - 28, p.top]]);
  d.wire("hidden", [[z - 28, p.top], [n, p.top]], kept); // behind a valve runs what passed it: the product
  d.wire("update_gate", [[z, p.gates - 15], [z, p.top]]);
  d.wire("update_gate", [[z, join], [n, join]], (v) => 1 - v.update_gate);
  d.wire("candidate", [[n, p.gates - 15], [n, join + 30]]);
  d.wire("candidate", [[n, join + 30], [n, join]], written);
  d.wire("hidden", [[n, join], [n, p.top]], written);
  d.wire("reset_gate", [[r, p.gates - 15], [r, p.gates - 62], [branch, p.gates - 62], [branch, reset], [nTap.h, reset]]);

  d.terminal("hidden_prev", "hidden_prev", 4, p.top);
  d.dot("hidden_prev", entry, p.top);
  d.valve("update_gate", z - 28, p.top);
  d.node("update_gate", "×", z, p.top);
  d.chip("hidden", "kept", (z + n) / 2, p.top, { value: kept });
  d.node("hidden", "+", n, p.top);
  d.chip("hidden", "written", n, (p.top + join) / 2, { value: written });
  d.dot("update_gate", z, join);
  d.box("update_gate", "1 −", z + p.pitch * 0.45, join, { width: 42, pill: true });
  d.chip("update_gate", "written_gate", z + p.pitch * 1.25, join, { value: (v) => 1 - v.update_gate });
  d.node("update_gate", "×", n, join);
  d.valve("update_gate", n, join + 30, { across: "x", value: (v) => 1 - v.update_gate });
  d.chip("update_gate", "update_gate", z, p.gates - 38, { symbol: SYMBOL.update_gate });
  d.chip("reset_gate", "reset_gate", r, p.gates - 38, { symbol: SYMBOL.reset_gate });
  d.chip("candidate", "candidate", n, p.gates - 38, { symbol: ["n", "t"] });
  d.box("candidate", label("candidate"), n, p.gates, { width: 84 });
  d.chip("candidate", "candidate.x", nTap.x + 8, p.gates + 70);
  if (before) {
    d.chip("candidate", "candidate.h", nTap.h - 8, p.gates + 37);
    d.weights("candidate", ["W", "hn"], nTap.h, p.gates + 70);
    d.node("reset_gate", "×", nTap.h, reset);
    d.valve("reset_gate", nTap.h, reset + 30, { across: "x" });
  } else {
    d.node("reset_gate", "×", nTap.h, reset);
    d.valve("reset_gate", nTap.h, reset + 30, { across: "x" });
    d.chip("candidate", "candidate.h", nTap.h - 8, reset + 58);
  }
  leave(d, p, p.top, [[n, p.top]]);
  return p;
}

function rnn(d, width, trace) {
  const p = plan(width, 1, { bus: 372 });
  const x = p.x(0);
  const sum = 268;
  const turn = 110;
  d.frame(p.left, 44, p.inner, p.floor - 44);
  buses(d, p, [[4, p.bus]], [{ part: "preactivation", h: x - 40, x: x + 40, hTop: sum + 40, xTop: sum + 40 }]);
  d.wire("preactivation", [[x - 40, sum + 44], [x - 40, sum], [x, sum]], (v) => squash(v["preactivation.h"]));
  d.wire("preactivation", [[x + 40, sum + 44], [x + 40, sum], [x, sum]], (v) => squash(v["preactivation.x"]));
  d.wire("preactivation", [[x, sum], [x, 180]], (v) => squash(v.preactivation));
  d.terminal("hidden_prev", "hidden_prev", 4, p.bus);
  d.chip("preactivation", "preactivation.h", x - 40, sum + 52);
  d.chip("preactivation", "preactivation.x", x + 40, sum + 52);
  d.node("preactivation", "+", x, sum);
  d.chip("preactivation", "preactivation", x, sum - 36, { symbol: SYMBOL.preactivation });
  leave(d, p, turn, [[x, 165], [x, turn]]);
  d.box("hidden", unrolled.unit.activation(trace, "preactivation").symbol, x, 190);
  d.chip("hidden", "hidden", x, 148, { symbol: SYMBOL.hidden });
  return p;
}

const CELLS = { LSTM: lstm, GRU: gru, RNN: rnn };
const NARROWEST = { LSTM: 530, GRU: 520, RNN: 320 };
const SMALLEST = 13 / 14; // the numbers are 14 high and never less than 13; below that the drawing scrolls
const WIDEST = { LSTM: 1240, GRU: 1040, RNN: 640 };

/** The drawing as a file of its own: every style that the page gave it is written into it. */
function download(svg, theme, name) {
  const copy = svg.cloneNode(true);
  const originals = svg.querySelectorAll("*");
  copy.querySelectorAll("*").forEach((node, k) => {
    const style = getComputedStyle(originals[k]);
    if (node.matches(".wire")) {
      node.setAttribute("stroke-width", parseFloat(style.strokeWidth));
      node.setAttribute("stroke-opacity", style.strokeOpacity);
    }
    if (node.matches("text")) node.setAttribute("font-family", style.fontFamily);
    if (node.matches(".blade")) node.setAttribute("style", `transform:${style.transform};transform-origin:${style.transformOrigin}`);
    else node.removeAttribute("style");
    for (const attribute of ["class", "tabindex", "role"]) node.removeAttribute(attribute);
  });
  const { width, height } = svg.viewBox.baseVal; // the same as in the page but for its size, which a file leaves to its reader
  copy.removeAttribute("style");
  for (const [key, value] of Object.entries({ xmlns: SVG, width, height, "font-family": theme.font })) copy.setAttribute(key, value);
  copy.style.fontVariantNumeric = "tabular-nums";
  const ground = document.createElementNS(SVG, "rect");
  for (const [key, value] of Object.entries({ width, height, fill: theme.background })) ground.setAttribute(key, value);
  copy.prepend(ground);
  const url = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" }));
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

export default (component) => unrolled.mount(component, (context) => {
  const { root, store, on } = context;
  const { unit: numbers, element: html } = unrolled;
  const scroll = html("div", { className: "scroll" });
  const readout = html("p", { className: "readout" });
  const save = html("button", { className: "unrolled-save", type: "button" });
  root.append(scroll, html("div", { className: "foot" }, readout, save));
  let svg = null, drawing = null, parts = [], built = "";

  const partOf = (target) => target.closest?.("[data-part]")?.dataset.part ?? null;
  const choose = (part) => part && store.trace?.quantities.includes(part) && store.set({ quantity: part });
  for (const event of ["pointerover", "focusin"]) on(scroll, event, (e) => numbers.focus.set(store, partOf(e.target)));
  for (const event of ["pointerleave", "focusout"]) on(scroll, event, () => numbers.focus.set(store, null));
  on(scroll, "click", (e) => choose(partOf(e.target)));
  on(scroll, "keydown", (e) => {
    if ((e.key !== "Enter" && e.key !== " ") || !partOf(e.target)) return;
    e.preventDefault();
    e.stopPropagation();
    choose(partOf(e.target));
  });
  on(save, "click", () => {
    const { trace, step, unit } = store;
    if (svg) download(svg, context.theme, `${trace.layer}-unit${unit}-step${step}.svg`);
  });

  /** Dim what does not belong to the quantity that the reader points at, and say its name in full. */
  const highlight = () => {
    if (!store.trace || !svg) return;
    const focus = numbers.focus.get(store);
    const some = parts.some((part) => part.dataset.part === focus);
    for (const part of parts) part.classList.toggle("dim", some && part.dataset.part !== focus);
    if (!some) {
      readout.textContent = context.words.hint;
      return;
    }
    const value = numbers.values(store.trace, store.step, store.unit)[focus];
    const shown = Number.isNaN(value ?? NaN) ? "" : ` = ${numbers.format(value)}`;
    const meanings = context.words.meanings[store.trace.kind];
    const any = focus === "candidate" && String(numbers.activation(store.trace, focus).span) !== "-1,1";
    readout.replaceChildren(html("b", { text: `${context.words.names[focus]}${shown}` }),
      ` ${meanings[any ? "any_candidate" : focus] ?? ""}`);
  };

  const rebuild = () => {
    const { trace } = store;
    const narrowest = NARROWEST[trace.kind];
    const width = Math.min(WIDEST[trace.kind], Math.max(Math.ceil(narrowest * SMALLEST), context.width));
    const roomy = Math.min(1.2, Math.max(1, width / (narrowest + 200))); // where there is room, all of it grows, for the back row
    const zoom = Math.min(roomy, width / narrowest);
    const before = trace.layer.endsWith("_reverse") ? "t+1" : "t−1";
    const key = JSON.stringify([trace.kind, trace.options, before, width, context.theme, context.palette?.quantity, context.words]);
    if (key === built) return;
    built = key;
    svg = document.createElementNS(SVG, "svg");
    element("title", {}, svg).textContent = context.words.titles[trace.kind];
    element("desc", {}, svg).textContent = unrolled.fill(context.words.descriptions[trace.kind],
      { activation: numbers.activation(trace, "cell").symbol });
    drawing = new Drawing(svg, { theme: context.theme, colours: context.palette?.quantity ?? {}, words: context.words, before });
    const { height } = CELLS[trace.kind](drawing, width / zoom, trace);
    for (const [name, value] of Object.entries({ viewBox: `0 0 ${width / zoom} ${height}`, width, height: height * zoom, role: "group",
      "aria-label": context.words.titles[trace.kind] })) svg.setAttribute(name, value);
    scroll.replaceChildren(svg);
    parts = [...svg.querySelectorAll("[data-part]")];
  };

  const frame = () => {
    const { trace, step, unit } = store;
    const values = numbers.values(trace, step, unit);
    for (const { path, value } of drawing.live.wires) {
      const size = Math.min(1, Math.abs(value(values)) || 0);
      path.style.strokeWidth = `${(1.8 + 4.4 * size).toFixed(2)}px`;
      path.style.strokeOpacity = (0.55 + 0.45 * size).toFixed(3);
    }
    for (const { blades, value } of drawing.live.valves) {
      const open = Math.min(1, Math.max(0, value(values)));
      for (const blade of blades) blade.style.transform = `scaleY(${Number.isNaN(open) ? 1 : 1 - open})`;
    }
    for (const { text, slot, value } of drawing.live.chips) {
      const number = value ? value(values) : values[slot];
      text.textContent = numbers.format(number);
      if (!value) numbers.mark(text, trace, slot, step, unit, number);
    }
    drawing.say(unrolled.token(trace.token(step)));
    highlight();
  };

  const forget = numbers.focus.subscribe(store, highlight);
  return {
    speak() {
      save.textContent = context.words.save;
      save.title = context.words.save_long;
    },
    layout: rebuild,
    frame,
    exact: true,
    destroy: forget,
  };
});
