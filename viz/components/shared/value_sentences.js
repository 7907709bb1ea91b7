// What the value of a gate or state does at one step, as a sentence. The templates come from value_sentences.py: by quantity, and for
// each the cases "all", "none" and "part" of a gate between 0 and 1, "sum" of a state that is what is kept and what is added, "value".
unrolled.valueSentences ??= (() => {
  const { cellMath } = unrolled;
  const [NONE, ALL] = [0.0005, 0.9995];

  /** 0.168 -> "17%"; a decimal where whole numbers would read as nothing or everything. */
  function percent(share) {
    const value = share * 100;
    return `${value < 1 || value > 99 ? value.toFixed(1) : Math.round(value)}%`;
  }

  /** The two terms of the gated state's sum, or {} where they do not add up to it, as in an edited run. */
  function carried(trace, values) {
    const { carry } = trace.options.cell;
    if (!carry) return {};
    const [kept, added] = [carry.kept, carry.added].map((tree) => cellMath.evaluator(trace, tree)(values));
    const value = values[carry.state];
    return Math.abs(kept + added - value) <= 1e-4 * Math.max(1, Math.abs(value)) ? { kept, added } : {};
  }

  function choose(cases, quantity, values, terms, trace) {
    const value = values[quantity];
    if (cases.part && value >= 0 && value <= 1) return value < NONE ? cases.none : value >= ALL ? cases.all : cases.part;
    return quantity === trace.options.cell.carry?.state && terms.kept !== undefined ? cases.sum : cases.value;
  }

  /** The sentence of one quantity; "" where there is none, or one of its numbers is not there. */
  return function sentence(templates, trace, step, unit, quantity) {
    if (!templates) return ""; // of a cell of the user's own
    const values = cellMath.values(trace, step, unit);
    const value = values[quantity];
    const cases = templates[quantity === "reset_gate" && trace.options.cell.gates.candidate.factor === 1 ? "reset_gate_before" : quantity];
    if (!cases || !Number.isFinite(value)) return "";
    const terms = carried(trace, values);
    const template = choose(cases, quantity, values, terms, trace);
    if (!template) return "";
    const { activations, functions } = trace.options.cell;
    const activated = activations.cell && cellMath.activation(trace, "cell").apply(values.cell);
    const known = { ...values, ...terms, activated, value, x: values[`${quantity}.x`], h: values[`${quantity}.h`], recurrent: values["candidate.h"] };
    const filled = Object.fromEntries(Object.entries(known).filter(([, each]) => Number.isFinite(each)).map(([name, each]) => [name, cellMath.format(each)]));
    const given = { ...filled, share: percent(value), rest: percent(1 - value), function: functions[activations.cell ?? activations.preactivation]?.symbol };
    const needed = [...template.matchAll(/\{(\w+)/g)].map(([, name]) => name);
    return needed.every((name) => given[name] !== undefined) ? unrolled.fillTemplate(template, given) : "";
  };
})();
