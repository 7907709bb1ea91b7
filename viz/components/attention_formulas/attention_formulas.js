// The attention of one step as formulas: with symbols, and with the numbers of the source symbol and the unit that are looked at.
function build(context) {
  const { root, store } = context;
  const { attending, element: html } = unrolled;
  const MATH = "http://www.w3.org/1998/Math/MathML";
  const shown = () => (context.width < 1000 ? 2 : 3); // terms of a long sum
  const STAGES = ["query", "score", "weight", "context", "join", "probability"];
  const caption = html("p", { className: "unrolled-quiet" });
  const unitLabel = html("label", { className: "unrolled-quiet", for: `dimension-${store.viewId}` });
  const unit = html("input", { type: "number", min: 0, step: 1, id: `dimension-${store.viewId}` });
  const head = html("div", { className: "head" }, caption, html("span", { className: "unrolled-picker" }, unitLabel, unit));
  const list = html("div", { className: "lines", role: "list" });
  root.append(head, list);
  let chosen = null; // a unit of the context that the reader chose
  let lines = {};

  // -- MathML
  const m = (tag, ...children) => {
    const node = document.createElementNS(MATH, tag);
    node.append(...children);
    return node;
  };
  const mi = (letter) => m("mi", letter);
  const mo = (sign) => m("mo", sign);
  const number = (value, slot) => {
    const node = m("mn", unrolled.unit.format(value));
    if (slot) Object.assign(node.dataset, { slot, value: String(value) });
    return node;
  };
  const plain = (letter) => {
    const node = mi(letter);
    node.setAttribute("class", "function");
    return node;
  };
  const signed = (value) => (value < 0 ? brackets(number(value)) : number(value));
  const brackets = (...inner) => m("mrow", fixed("("), ...inner, fixed(")"));
  const fixed = (sign) => {
    const node = mo(sign);
    node.setAttribute("stretchy", "false");
    return node;
  };
  const sub = (base, ...below) => m("msub", mi(base), m("mrow", ...below.map((each) => (/^\d+$/.test(each) ? m("mn", each) : mi(each)))));
  const before = (base) => m("msub", mi(base), m("mrow", mi("t"), mo("−"), m("mn", "1")));
  const transposed = (node) => m("msup", node, mo("⊤"));
  const apply = (name, ...inner) => m("mrow", plain(name), mo("\u2061"), brackets(...inner));
  const fraction = (above, below) => m("mfrac", m("mrow", ...above), m("mrow", ...below));
  const sum = (index) => m("munder", mo("∑"), mi(index));
  const math = (...parts) => {
    const node = m("math", m("mrow", ...parts));
    node.setAttribute("displaystyle", "true");
    return node;
  };
  const text = (words) => m("mtext", words);
  const token = (label) => {
    const node = text(unrolled.token(label));
    node.setAttribute("class", "token");
    return node;
  };

  // -- symbols
  const asks = () => (recurrent() ? sub("s", "t") : sub("q", "t"));
  const recurrent = () => store.trace.options.form === "recurrent";
  const SCORES = {
    dot: () => [transposed(asks()), sub("h", "i")],
    general: () => [transposed(asks()), mi("W"), sub("h", "i")],
    additive: () => [transposed(mi("v")), apply("tanh", sub("W", "q"), asks(), mo("+"), sub("W", "k"), sub("h", "i"))],
    scaled: () => [fraction([transposed(asks()), sub("k", "i")], [m("msqrt", sub("d", "k"))])],
  };
  const exponential = (j) => apply("exp", sub("e", "t", j));
  const heat = () => store.trace.options.temperature;
  // Scores are divided by the temperature, where it is not 1.
  const cooled = (parts) => (heat() === 1 ? parts : [fraction(parts, [mi("τ")])]);
  const SYMBOLS = {
    query: () => (recurrent() ? [asks(), mo("="), apply(context.data.cell, before("y"), mo(","), before("s"))] : [asks(), mo("="), sub("W", "q"), sub("x", "t")]),
    score: () => [sub("e", "t", "i"), mo("="), ...cooled(SCORES[store.trace.options.scored]())],
    weight: () => [sub("α", "t", "i"), mo("="), fraction([exponential("i")], [sum("j"), exponential("j")])],
    context: () => [sub("c", "t"), mo("="), sum("i"), sub("α", "t", "i"), recurrent() ? sub("h", "i") : sub("v", "i")],
    join: () => (recurrent()
      ? [m("msub", m("mover", mi("s"), mo("~")), mi("t")), mo("="), apply("tanh", sub("W", "c"), mo("["), sub("c", "t"), mo(";"), sub("s", "t"), mo("]"))]
      : [sub("x", "t"), mo("+"), sub("W", "o"), mo("["), m("msubsup", mi("c"), mi("t"), m("mn", "1")), mo(";"), mo("…"), mo(";"), m("msubsup", mi("c"), mi("t"), mi("H")), mo("]")]),
    probability: () => [mi("p"), brackets(mi("y")), mo("="), fraction([apply("exp", sub("z", "y"))], [sum("j"), apply("exp", sub("z", "j"))])],
  };

  // -- numbers
  // The largest terms of a sum one by one, the others together: terms of {value, nodes(first)}.
  function long(terms, rest) {
    const ranked = [...terms].sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
    const first = ranked.slice(0, ranked.length === shown() + 1 ? shown() + 1 : shown());
    const others = ranked.slice(first.length);
    const out = first.flatMap((term, k) => [...(k ? [mo("+")] : []), ...term.nodes(k ? signed : number)]);
    if (!others.length) return out;
    const left = others.reduce((total, term) => total + term.value, 0);
    return [...out, mo("+"), m("munder", signed(left), text(unrolled.fill(rest, { n: others.length })))];
  }

  const NUMBERS = {
    query({ step }) {
      const { trace } = store;
      const read = token(trace.options.read[step]);
      const size = Math.hypot(...attending.row(trace.arrays.state ?? trace.arrays.query, step));
      const from = recurrent() ? apply(context.data.cell, read, mo(","), step ? sub("s", String(step)) : sub("s", "0")) : apply(context.words.layer, read);
      return [mo("‖"), from, mo("‖"), mo("="), number(size, recurrent() ? "state_norm" : "query_norm")];
    },
    score({ step, source }) {
      const { arrays, options } = store.trace;
      const [query, key] = [attending.row(arrays.query, step), attending.row(arrays.source_key, source)];
      const energy = arrays.weight_energy?.data;
      const terms = Array.from(query, (q, d) => (energy
        ? { value: energy[d] * Math.tanh(q + key[d]), nodes: (first) => [first(energy[d]), mo("×"), apply("tanh", number(q), mo("+"), signed(key[d]))] }
        : { value: q * key[d], nodes: (first) => [first(q), mo("×"), signed(key[d])] }));
      const score = number(attending.scores(store)[source], "attention_score");
      if (attending.scores(store)[source] === -Infinity) return [text(context.words.masked), mo("="), score];
      if (options.scores_from) return [text(unrolled.fill(context.words.scores_from, { name: options.scores_from })), mo("="), score];
      const total = long(terms, context.words.others);
      if (options.score === "scaled") return [fraction(total, [m("msqrt", m("mn", String(query.length)))]), mo("="), score];
      return heat() === 1 ? [...total, mo("="), score] : [fraction(total, [number(heat())]), mo("="), score];
    },
    weight({ source }) {
      const scores = attending.scores(store);
      const most = scores.reduce((a, b) => Math.max(a, b), -Infinity);
      const below = scores.reduce((total, score) => total + Math.exp(score - most), 0);
      const weight = number(attending.weights(store)[source], "attention_weight");
      if (most === -Infinity) return [text(context.words.masked), mo("="), weight];
      return [fraction([apply("exp", number(scores[source]), mo("−"), signed(most))], [number(below)]), mo("="), weight];
    },
    context({ step, at }) {
      const { arrays } = store.trace;
      const size = arrays.source_value.shape[1];
      const terms = Array.from(attending.weights(store), (weight, k) => {
        const value = arrays.source_value.data[k * size + at];
        return { value: weight * value, nodes: () => [number(weight), mo("×"), signed(value)] };
      });
      return [...long(terms, context.words.others), mo("="), number(attending.row(arrays.context, step)[at], "context")];
    },
    join({ step, at }) {
      const { arrays, options } = store.trace;
      if (!recurrent()) return [m("mn", String(options.heads)), mo("×"), m("mn", String(arrays.source_value.shape[1])), mo("="), m("mn", String(options.heads * arrays.source_value.shape[1]))];
      const part = (name) => attending.row(arrays[name], step)[at];
      return [apply("tanh", m("munder", signed(part("joined_context")), text(context.words.from_context)), mo("+"),
        m("munder", signed(part("joined_state")), text(context.words.from_state))), mo("="), number(part("joined"), "joined")];
    },
    probability({ step }) {
      const { arrays, options } = store.trace;
      const said = [apply("p", token(store.trace.tokens[step])), mo("=")];
      const chance = number(attending.row(arrays.probability, step)[options.symbols[step]], "probability");
      if (!arrays.logit) return [...said, chance];
      const logits = attending.row(arrays.logit, step);
      const most = logits.reduce((a, b) => Math.max(a, b), -Infinity);
      const below = logits.reduce((total, logit) => total + Math.exp(logit - most), 0);
      return [...said, fraction([apply("exp", number(logits[options.symbols[step]]), mo("−"), signed(most))], [number(below)]), mo("="), chance];
    },
  };

  // -- the component
  const dimension = () => {
    const { data, shape: [, size] } = store.trace.arrays.context;
    if (chosen !== null && chosen < size) return chosen;
    let best = 0;
    for (let k = 1; k < data.length; k++) if (Math.abs(data[k]) > Math.abs(data[best])) best = k;
    return best % size;
  };

  function layout() {
    const { words, palette, theme } = context;
    const colours = { query: palette.quantity.hidden, weight: palette.quantity.attention_weight, context: palette.quantity.context };
    lines = {};
    list.replaceChildren(...STAGES.map((stage) => {
      const mark = html("span", { className: "mark", "aria-hidden": "true" });
      mark.style.background = colours[stage] ?? theme.text;
      const numbers = html("div", { className: "numbers" });
      lines[stage] = numbers;
      const symbols = html("div", { className: "symbols" });
      symbols.append(math(...SYMBOLS[stage]()));
      return html("div", { className: "line", role: "listitem", "data-part": stage }, mark, html("span", { className: "name", text: words.stages[stage] }), symbols, numbers);
    }));
    unit.max = store.trace.arrays.context.shape[1] - 1;
  }

  function fill() {
    const { trace, step } = store;
    const [source, at] = [attending.source(store), dimension()];
    for (const [stage, node] of Object.entries(lines)) node.replaceChildren(math(...NUMBERS[stage]({ step, source, at })));
    if (document.activeElement !== unit) unit.value = at;
    caption.textContent = unrolled.fill(context.words.caption, {
      step: step + 1, n: source + 1, token: unrolled.token(trace.options.source[source]), unit: at,
    });
  }

  context.on(unit, "input", () => {
    if (unit.value === "" || !(Number(unit.value) >= 0) || Number(unit.value) > Number(unit.max)) return;
    chosen = Math.trunc(Number(unit.value));
    fill();
  });
  context.on(unit, "blur", () => { unit.value = dimension(); });
  const unpin = attending.subscribe(store, () => store.trace && lines.query && fill());

  return {
    speak() { unitLabel.textContent = context.words.unit; },
    layout,
    frame: fill,
    destroy: unpin,
  };
}

export default (component) => unrolled.mount(component, build);
