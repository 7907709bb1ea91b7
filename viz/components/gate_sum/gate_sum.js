// How one gate's value comes about: a waterfall of its terms, the sum, and what the activation makes of it.
const MOST = 8; // terms shown one by one
const SURE = 3; // of them, at least so many inputs and so many previous units

/** The rows of the waterfall in order: [{label, detail, product, inner, unit}]; `inner` rows are parts of the row above them. */
function rows(trace, step, unit, gate, words) {
  const { terms, resetFactor, format } = unrolled.unit;
  const sum = terms(trace, step, unit, gate);
  if (!sum) return null;
  const { fill } = unrolled;
  const factor = resetFactor(trace, step, unit, gate);
  for (const term of sum.recurrent) term.product *= factor;
  const byWeight = (list) => list.filter((term) => term.product).sort((a, b) => Math.abs(b.product) - Math.abs(a.product));
  const [inputs, previous] = [byWeight(sum.input), byWeight(sum.recurrent)];
  const sure = [...inputs.slice(0, SURE), ...previous.slice(0, SURE)];
  const chosen = new Set(sure);
  for (const term of byWeight([...inputs, ...previous])) if (chosen.size < MOST) chosen.add(term);
  for (const list of [sum.input, sum.recurrent]) {
    const left = list.filter((term) => !chosen.has(term));
    if (left.length === 1) chosen.add(left[0]); // a single one needs no "others"
  }
  const shown = (ranked) => ranked.filter((term) => chosen.has(term));
  const total = (list) => list.reduce((all, term) => all + term.product, 0);
  const signed = (v) => (format(v).startsWith("−") ? `(${format(v)})` : format(v));
  const times = (first, ...others) => [format(first), ...others.map(signed)].join(" × ");
  const paired = (term, by) => (by === 1 ? times(term.weight, term.value) : times(by, term.weight, term.value));
  const rest = (list, label, inner) => {
    const others = list.filter((term) => !chosen.has(term));
    return others.length ? [{ label: fill(label, { n: others.length }), detail: "", product: total(others), inner, quiet: true }] : [];
  };

  const bias = sum.biasInput + factor * sum.biasHidden;
  const out = [];
  if (trace.arrays.bias_ih) {
    const detail = `${format(sum.biasInput)} + ${factor === 1 ? signed(sum.biasHidden) : times(factor, sum.biasHidden)}`;
    out.push({ label: words.biases, detail, product: bias });
  }

  const level = Number(/\.l(\d+)/.exec(trace.layer)?.[1] ?? 0);
  const token = level === 0 && (trace.vocabulary || trace.predicts === "symbols");
  const inner = Boolean(!trace.input_names && (token || level > 0));
  const name = (n) => trace.input_names?.[n] ?? fill(level > 0 ? words.unit_below : token ? words.dimension : words.input, { n });
  if (inner) {
    const label = level > 0 ? words.below : fill(words.token, { token: unrolled.token(trace.token(step)) });
    out.push({ label, detail: "", product: total(sum.input) });
  }
  for (const term of shown(inputs)) out.push({ label: name(term.index), detail: paired(term, 1), product: term.product, inner });
  const others = !inner ? words.other_inputs : level > 0 ? words.other_units_below : words.other_dimensions;
  out.push(...rest(sum.input, others, inner));

  const whole = trace.arrays.hidden.shape[1] === trace.units; // else a projection stands between units and outputs
  for (const term of shown(previous)) {
    const label = trace.unit_names?.[term.index] ?? fill(whole ? words.unit : words.output, { n: term.index });
    out.push({ label, detail: paired(term, factor), product: term.product, unit: whole ? term.index : null });
  }
  out.push(...rest(sum.recurrent, whole ? words.other_units : words.other_outputs, false));
  return { rows: out, factor, sum: bias + total(sum.input) + total(sum.recurrent) };
}

export default (component) => unrolled.mount(component, (context) => {
  const { root, store, on } = context;
  const { unit: numbers, element: html, fill } = unrolled;
  const choice = html("div", { className: "unrolled-choice", role: "group" });
  const caption = html("p", { className: "unrolled-quiet" });
  const list = html("div", { className: "rows", role: "list" });
  const note = html("p", { className: "unrolled-quiet note" });
  const curve = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const result = html("div", { className: "result" });
  const foot = html("div", { className: "foot" }, curve, result);
  const waiting = html("p", { className: "unrolled-quiet waiting", role: "status" });
  root.append(html("div", { className: "head" }, choice, caption), waiting, list, note, foot);
  let buttons = [], gate = null, colours = {};
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

  const draw = (row, entry, from, to, scale) => {
    row.unit = entry.unit ?? null;
    row.label.textContent = entry.label;
    row.label.disabled = row.unit === null;
    row.label.title = row.unit === null ? "" : fill(context.words.choose_unit, { n: row.unit });
    row.detail.textContent = entry.detail;
    row.product.textContent = numbers.format(entry.product);
    row.node.classList.toggle("inner", Boolean(entry.inner));
    row.node.classList.toggle("rest", Boolean(entry.quiet));
    const [low, high] = [Math.min(from, to), Math.max(from, to)].map(scale);
    row.bar.style.left = `${low}%`;
    row.bar.style.width = `${Math.max(0.35, high - low)}%`;
    row.bar.style.background = entry.colour ?? (to >= from ? colours.more : colours.less);
    row.zero.style.left = `${scale(0)}%`;
  };

  /** The activation's curve with this sum on it. */
  const drawCurve = (activation, sum, value) => {
    const [W, H, reach] = [132, 64, Math.max(4, Math.min(12, (Math.abs(sum) || 0) * 1.15))];
    const [low, high] = activation.span.map((edge) => Math.min(reach, Math.max(-reach, edge)));
    const at = (a, v) => [W / 2 + (a / reach) * (W / 2 - 6), H - 6 - ((v - low) / (high - low)) * (H - 12)];
    const points = Array.from({ length: 41 }, (_, k) => reach * (k / 20 - 1)).map((a) => at(a, activation.of(a)).map((n) => n.toFixed(1)));
    const [x, y] = at(Math.max(-reach, Math.min(reach, sum)), value);
    const [x0, y0] = at(0, 0);
    curve.setAttribute("viewBox", `0 0 ${W} ${H}`);
    curve.innerHTML = `<path d="M0,${y0}H${W}M${x0},0V${H}" class="axis"/><path d="M${points.join("L")}" class="curve"/>`;
    if (!Number.isNaN(sum)) curve.innerHTML += `<path d="M${x},${y0}V${y}" class="drop"/><circle cx="${x}" cy="${y}" r="5" fill="${colours.gate}"/>`;
  };

  const layout = () => {
    const { trace } = store;
    const key = trace.gates.join() + JSON.stringify(context.words.names);
    if (choice.dataset.key !== key) {
      choice.dataset.key = key;
      buttons = trace.gates.map((name) => {
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
    if (trace.gates.includes(quantity)) gate = quantity;
    else if (!trace.gates.includes(gate)) gate = trace.gates.includes("forget_gate") ? "forget_gate" : trace.gates[0];
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.gate === gate));
    colours.gate = colours[gate] ?? "currentColor";

    const { words } = context;
    const shownUnit = trace.unit_names?.[unit] ?? unit;
    const made = rows(trace, step, unit, gate, words);
    for (const node of [list, note, foot, caption]) node.hidden = !made;
    waiting.hidden = Boolean(made);
    if (!made) {
      waiting.textContent = fill(words.waiting, { unit: shownUnit });
      return;
    }
    caption.textContent = fill(words.caption, { unit: shownUnit, step: step + 1 });

    // Where each bar starts and ends; the parts of a row start where it starts.
    let at = 0, within = 0, low = Math.min(0, made.sum), high = Math.max(0, made.sum);
    const spans = made.rows.map((entry) => {
      const from = entry.inner ? within : at;
      const to = from + entry.product;
      if (entry.inner) within = to;
      else { within = at; at = to; }
      [low, high] = [Math.min(low, to), Math.max(high, to)];
      return [from, to];
    });
    const scale = (v) => 1 + (98 * (v - low)) / (high - low || 1);
    while (pool.length < made.rows.length) pool.push(makeRow());
    made.rows.forEach((entry, k) => draw(pool[k], entry, ...spans[k], scale));
    draw(total, { label: words.sum, detail: "", product: made.sum, colour: context.theme.text }, 0, made.sum, scale);
    const nodes = [...pool.slice(0, made.rows.length).map((row) => row.node), total.node];
    if (nodes.length !== list.children.length) list.replaceChildren(...nodes);

    const resets = trace.kind === "GRU" && gate === "candidate";
    note.hidden = !resets;
    if (resets) {
      note.textContent = trace.options?.reset_after === false ? words.reset_before
        : fill(words.reset_after, { value: numbers.format(made.factor) });
    }
    const activation = numbers.activation(trace, gate);
    const outcome = gate === "preactivation" ? "hidden" : gate;
    const computed = activation.of(made.sum);
    const traced = trace.value(outcome, step, unit);
    const difference = Math.abs(computed - traced);
    drawCurve(activation, made.sum, computed);
    const sum = numbers.format(made.sum);
    const value = html("b", { text: numbers.format(computed) });
    const inTrace = html("span", { text: fill(words.trace, { value: numbers.format(traced) }) });
    numbers.mark(inTrace, trace, outcome, step, unit, traced);
    const agreement = html("span", { className: "unrolled-quiet", "data-difference": String(difference) });
    agreement.append(inTrace, ` · ${fill(words.difference, { value: difference < 1e-12 ? "0" : difference.toExponential(0).replace("-", "−") })}`);
    result.replaceChildren(html("span", { className: "equals" }, activation.symbol === "linear" ? `${sum} = ` : `${activation.symbol}(${sum}) = `, value), agreement);
  };

  return {
    speak: () => choice.setAttribute("aria-label", context.words.choose),
    layout,
    frame,
    exact: true,
  };
});
