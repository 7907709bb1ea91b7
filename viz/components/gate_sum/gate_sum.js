// The sum behind one gate's value: a waterfall chart of its terms, the sum, and the activation of the sum.
const MAX_TERMS = 8; // shown one by one
const MIN_EACH = 3; // at least this many inputs and this many previous units among them

/** The rows of the waterfall in order, [{label, detail, product, inner, unit}]; `inner` rows are parts of the row above them. */
function waterfallRows(trace, step, unit, gate, words) {
  const { terms, recurrentFactor, format } = unrolled.cellMath;
  const { fillTemplate } = unrolled;
  const sum = terms(trace, step, unit, gate);
  if (!sum) return null;
  const { normInput, normHidden } = sum;
  const normed = Boolean(trace.options.cell.norm?.products);
  const reset = recurrentFactor(trace, step, unit, gate);
  const factor = reset * normHidden.factor;
  for (const term of sum.input) term.product *= normInput.factor;
  for (const term of sum.recurrent) term.product *= factor;
  const size = ({ product }) => (Number.isNaN(product) ? Infinity : Math.abs(product)); // NaN first
  const byMagnitude = (list) => list.filter((term) => term.product !== 0).sort((a, b) => (size(b) === size(a) ? 0 : size(b) - size(a)));
  const [inputs, previous] = [byMagnitude(sum.input), byMagnitude(sum.recurrent)];
  const chosen = new Set([...inputs.slice(0, MIN_EACH), ...previous.slice(0, MIN_EACH)]);
  for (const term of byMagnitude([...inputs, ...previous])) if (chosen.size < MAX_TERMS) chosen.add(term);
  for (const list of [sum.input, sum.recurrent]) {
    const left = list.filter((term) => !chosen.has(term));
    if (left.length === 1) chosen.add(left[0]); // a single one needs no "others"
  }
  const chosenOf = (ranked) => ranked.filter((term) => chosen.has(term));
  const total = (list) => list.reduce((all, term) => all + term.product, 0);
  const signed = (v) => (format(v).startsWith("−") ? `(${format(v)})` : format(v));
  const times = (first, ...others) => [format(first), ...others.map(signed)].join(" × ");
  const detailOf = (term, by) => (by === 1 ? times(term.weight, term.value) : times(by, term.weight, term.value));
  const othersOf = (list, label, inner, details = {}) => {
    const others = list.filter((term) => !chosen.has(term));
    return others.length ? [{ label: fillTemplate(label, { n: others.length, ...details }), detail: "", product: total(others), inner, muted: true }] : [];
  };

  const bias = normInput.factor * sum.biasInput + factor * sum.biasHidden;
  const rows = [];
  if (trace.arrays.bias_ih) {
    const first = normed ? times(normInput.factor, sum.biasInput) : format(sum.biasInput);
    const detail = `${first} + ${factor === 1 ? signed(sum.biasHidden) : times(factor, sum.biasHidden)}`;
    rows.push({ label: words.biases, detail, product: bias });
  }

  const level = Number(/\.l(\d+)/.exec(trace.layer)?.[1] ?? 0);
  const isToken = level === 0 && (trace.vocabulary || trace.predicts === "symbols");
  const inner = Boolean(!trace.input_names && (isToken || level > 0));
  const inputName = (n) => trace.input_names?.[n] ?? fillTemplate(level > 0 ? words.unit_below : isToken ? words.dimension : words.input, { n });
  if (inner) {
    const label = level > 0 ? words.below : fillTemplate(words.token, { token: unrolled.displayToken(trace.token(step)) });
    rows.push({ label, detail: "", product: total(sum.input) });
  }
  for (const term of chosenOf(inputs)) rows.push({ label: inputName(term.index), detail: detailOf(term, normInput.factor), product: term.product, inner });
  const otherInputs = !inner ? words.other_inputs : level > 0 ? words.other_units_below : words.other_dimensions;
  rows.push(...othersOf(sum.input, otherInputs, inner));

  const before = trace.options.reverse ? "t+1" : "t−1"; // the time step of the state that the recurrent weights multiply
  const areUnits = trace.arrays.hidden.shape[1] === trace.units; // else the outputs are a projection of the units
  let [ofUnit, ofOthers] = areUnits ? [words.unit, words.other_units] : [words.output, words.other_outputs];
  if (trace.options.cell.gates[gate].recurrent === "intermediate") [ofUnit, ofOthers] = [words.intermediate, words.other_intermediate];
  for (const term of chosenOf(previous)) {
    const label = trace.unit_names?.[term.index] ?? fillTemplate(ofUnit, { n: term.index, before });
    rows.push({ label, detail: detailOf(term, factor), product: term.product, unit: areUnits ? term.index : null });
  }
  rows.push(...othersOf(sum.recurrent, ofOthers, false, { before }));
  if (sum.peephole) {
    const { state, weight, value, product } = sum.peephole;
    rows.push({ label: state === "cell" ? words.peephole_now : fillTemplate(words.peephole_before, { before }), detail: times(weight, value), product });
  }
  const offset = normInput.offset + reset * normHidden.offset;
  if (normed) rows.push({ label: words.norm_offset, detail: `${format(normInput.offset)} + ${signed(normHidden.offset)}`, product: offset });
  const norms = normed ? { input: format(normInput.factor), recurrent: format(normHidden.factor) } : null;
  return { rows, factor: reset, norms, sum: bias + total(sum.input) + total(sum.recurrent) + offset + (sum.peephole?.product ?? 0) };
}

function build(context) {
  const { root, store, on } = context;
  const { cellMath, element: html, fillTemplate } = unrolled;
  const choice = html("div", { className: "unrolled-choice", role: "group" });
  const caption = html("p", { className: "unrolled-muted" });
  const list = html("div", { className: "rows", role: "list" });
  const note = html("p", { className: "unrolled-muted note" });
  const curve = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const result = html("div", { className: "result" });
  const foot = html("div", { className: "foot" }, curve, result);
  const waiting = html("p", { className: "unrolled-muted waiting", role: "status" });
  root.append(html("div", { className: "head" }, choice, caption), waiting, list, note, foot);
  let buttons = [], summed = [], gate = null, colours = {};
  const pool = [];

  const makeRow = () => {
    const label = html("button", { type: "button", className: "label" });
    const row = {
      label,
      detail: html("span", { className: "detail" }),
      product: html("span", { className: "product" }),
      bar: html("i", { className: "bar" }),
      zero: html("i", { className: "zero" }),
    };
    const track = html("span", { className: "track", "aria-hidden": "true" }, row.zero, row.bar);
    row.node = html("div", { className: "row", role: "listitem" }, label, row.detail, row.product, track);
    on(label, "click", () => row.unit !== null && store.set({ unit: row.unit }));
    return row;
  };
  const total = makeRow();
  total.node.classList.add("total");
  total.label.disabled = true;
  total.unit = null;

  const drawRow = (row, entry, from, to, scale) => {
    row.unit = entry.unit ?? null;
    row.label.textContent = entry.label;
    row.label.disabled = row.unit === null;
    row.label.title = row.unit === null ? "" : fillTemplate(context.words.choose_unit, { n: row.unit });
    row.detail.textContent = entry.detail;
    row.product.textContent = cellMath.format(entry.product);
    row.node.classList.toggle("inner", Boolean(entry.inner));
    row.node.classList.toggle("rest", Boolean(entry.muted));
    row.bar.hidden = !Number.isFinite(from) || !Number.isFinite(to); // NaN and infinity have no length
    const [low, high] = [Math.min(from, to), Math.max(from, to)].map(scale);
    row.bar.style.left = `${low}%`;
    row.bar.style.width = `${Math.max(0.35, high - low)}%`;
    row.bar.style.background = entry.colour ?? (to >= from ? colours.more : colours.less);
    row.zero.style.left = `${scale(0)}%`;
  };

  /** The activation's curve with this sum marked on it. */
  const drawCurve = (activation, sum, value) => {
    const [W, H, reach] = [132, 64, Math.max(4, Math.min(12, (Number.isFinite(sum) ? Math.abs(sum) : 12) * 1.15))];
    const [low, high] = activation.limits.map((limit) => Math.min(reach, Math.max(-reach, limit)));
    const at = (a, v) => [W / 2 + (a / reach) * (W / 2 - 6), H - 6 - ((v - low) / (high - low)) * (H - 12)];
    const points = Array.from({ length: 41 }, (_, k) => reach * (k / 20 - 1)).map((a) => at(a, activation.apply(a)).map((n) => n.toFixed(1)));
    // A sum beyond the drawing is marked at its edge.
    const [x, y] = at(Math.max(-reach, Math.min(reach, sum)), Math.max(low, Math.min(high, value)));
    const [x0, y0] = at(0, 0);
    curve.setAttribute("viewBox", `0 0 ${W} ${H}`);
    curve.innerHTML = `<path d="M0,${y0}H${W}M${x0},0V${H}" class="axis"/><path d="M${points.join("L")}" class="curve"/>`;
    if (Number.isFinite(sum)) curve.innerHTML += `<path d="M${x},${y0}V${y}" class="drop"/><circle cx="${x}" cy="${y}" r="5" fill="${colours.gate}"/>`;
  };

  const layout = () => {
    const { trace } = store;
    summed = trace.gates.filter((name) => name in trace.options.cell.gates);
    const key = summed.join() + JSON.stringify(context.words.names);
    if (choice.dataset.key !== key) {
      choice.dataset.key = key;
      buttons = summed.map((name) => {
        const button = html("button", { type: "button", text: context.words.names[name] ?? name, "data-gate": name });
        button.addEventListener("click", () => store.set({ quantity: name }));
        return button;
      });
      choice.replaceChildren(...buttons);
      choice.hidden = buttons.length < 2;
    }
    const signed = context.palette?.signed ?? [];
    colours = { ...context.palette?.quantity, less: signed[52] ?? "#2f7fc1", more: signed[203] ?? "#d9651b" };
  };

  const frame = () => {
    const { trace, step, unit, quantity } = store;
    if (summed.includes(quantity)) gate = quantity;
    else if (!summed.includes(gate)) gate = summed.includes(trace.options.default_quantity) ? trace.options.default_quantity : summed[0];
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.gate === gate));
    colours.gate = colours[gate] ?? "currentColor";

    const { words } = context;
    const unitName = trace.unit_names?.[unit] ?? unit;
    const waterfall = waterfallRows(trace, step, unit, gate, words);
    for (const node of [list, note, foot, caption]) node.hidden = !waterfall;
    waiting.hidden = Boolean(waterfall);
    if (!waterfall) {
      waiting.textContent = fillTemplate(words.waiting, { unit: unitName });
      return;
    }
    caption.textContent = fillTemplate(words.caption, { unit: unitName, step: step + 1 });

    // Where each bar starts and ends; the parts of a row start where that row starts.
    let end = 0, innerEnd = 0, low = 0, high = 0;
    if (Number.isFinite(waterfall.sum)) [low, high] = [Math.min(0, waterfall.sum), Math.max(0, waterfall.sum)];
    const spans = waterfall.rows.map((entry) => {
      const from = entry.inner ? innerEnd : end;
      const to = from + entry.product;
      if (entry.inner) innerEnd = to;
      else { innerEnd = end; end = to; }
      if (Number.isFinite(to)) [low, high] = [Math.min(low, to), Math.max(high, to)];
      return [from, to];
    });
    const scale = (v) => 1 + (98 * (v - low)) / (high - low || 1);
    while (pool.length < waterfall.rows.length) pool.push(makeRow());
    waterfall.rows.forEach((entry, k) => drawRow(pool[k], entry, ...spans[k], scale));
    drawRow(total, { label: words.sum, detail: "", product: waterfall.sum, colour: context.theme.text }, 0, waterfall.sum, scale);
    const nodes = [...pool.slice(0, waterfall.rows.length).map((row) => row.node), total.node];
    if (nodes.length !== list.children.length) list.replaceChildren(...nodes);

    const { factor, recurrent, result: outcome } = trace.options.cell.gates[gate];
    const [resetsSum, resetsState] = [factor, recurrent].map((tree) => cellMath.namesIn(tree).includes("reset_gate"));
    const activation = cellMath.activation(trace, gate);
    const notes = [];
    if (resetsSum) notes.push(fillTemplate(words.reset_after, { value: cellMath.format(waterfall.factor) }));
    else if (resetsState) notes.push(words.reset_before);
    if (waterfall.norms) notes.push(fillTemplate(words.norm, waterfall.norms));
    if (activation.clip !== null) notes.push(fillTemplate(words.clip, { bound: cellMath.format(activation.clip) }));
    note.hidden = !notes.length;
    note.textContent = notes.join(" ");

    const computed = activation.apply(waterfall.sum);
    const traced = trace.value(outcome, step, unit);
    // Two NaN, or the same infinity, do not differ.
    const difference = Object.is(computed, traced) ? 0 : Math.abs(computed - traced);
    drawCurve(activation, waterfall.sum, computed);
    const sum = cellMath.format(waterfall.sum);
    const value = html("b", { text: cellMath.format(computed) });
    const inTrace = html("span", { text: fillTemplate(words.trace, { value: cellMath.format(traced) }) });
    cellMath.setValue(inTrace, trace, outcome, step, unit, traced);
    const agreement = html("span", { className: "unrolled-muted", "data-difference": String(difference) });
    agreement.append(inTrace, ` · ${fillTemplate(words.difference, { value: difference < 1e-12 ? "0" : difference.toExponential(0).replace("-", "−") })}`);
    const given = activation.clip === null ? sum : `clip(${sum})`;
    result.replaceChildren(html("span", { className: "equals" }, activation.symbol === "linear" ? `${given} = ` : `${activation.symbol}(${given}) = `, value), agreement);
  };

  return {
    relabel: () => choice.setAttribute("aria-label", context.words.choose),
    layout,
    frame,
    needsStep: true,
  };
}

unrolled.define("gate_sum", build);
