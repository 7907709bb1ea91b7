// The attention of one step as formulas: with symbols, and with the numbers of the selected source symbol and of one dimension.
function build(context) {
  const { root, store } = context;
  const { attentionMath, attentionSelection: selection, cellMath, element: html } = unrolled;
  const MATH = "http://www.w3.org/1998/Math/MathML";
  const maxTerms = () => (context.width < 1000 ? 2 : 3); // of a long sum
  const STAGES = ["query", "score", "weight", "context", "join", "probability"];
  const caption = html("p", { className: "unrolled-muted" });
  const unitLabel = html("label", { className: "unrolled-muted", for: `dimension-${store.viewId}` });
  const unitInput = html("input", { type: "number", min: 0, step: 1, id: `dimension-${store.viewId}` });
  const head = html("div", { className: "head" }, caption, html("span", { className: "unrolled-picker" }, unitLabel, unitInput));
  const list = html("div", { className: "lines", role: "list" });
  root.append(head, list);
  let chosen = null; // the dimension of the context that the reader chose
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
    const node = m("mn", cellMath.format(value));
    if (slot) Object.assign(node.dataset, { slot, value: String(value) });
    return node;
  };
  const functionName = (name) => {
    const node = mi(name);
    node.setAttribute("class", "function");
    return node;
  };
  const signed = (value) => (value < 0 ? parentheses(number(value)) : number(value));
  const parentheses = (...inner) => m("mrow", unstretched("("), ...inner, unstretched(")"));
  const unstretched = (sign) => {
    const node = mo(sign);
    node.setAttribute("stretchy", "false");
    return node;
  };
  const sub = (base, ...below) => m("msub", mi(base), m("mrow", ...below.map((each) => (/^\d+$/.test(each) ? m("mn", each) : mi(each)))));
  const previous = (base) => m("msub", mi(base), m("mrow", mi("t"), mo("−"), m("mn", "1")));
  const transposed = (node) => m("msup", node, mo("⊤"));
  const apply = (name, ...inner) => m("mrow", functionName(name), mo("\u2061"), parentheses(...inner));
  const fraction = (above, below) => m("mfrac", m("mrow", ...above), m("mrow", ...below));
  const sum = (index) => m("munder", mo("∑"), mi(index));
  const math = (...parts) => {
    const node = m("math", m("mrow", ...parts));
    node.setAttribute("displaystyle", "true");
    return node;
  };
  const text = (words) => m("mtext", words);
  const token = (label) => {
    const node = text(unrolled.displayToken(label));
    node.setAttribute("class", "token");
    return node;
  };
  // A tree of a term with the values that it names; its first number without parentheses.
  const drawTree = (tree, values, first = number) => {
    if (typeof tree === "string") return [first(values[tree])];
    const [operator, ...branches] = tree;
    const sign = { "+": "+", "*": "×" }[operator];
    if (!sign) return [apply(operator, ...drawTree(branches[0], values))];
    return branches.flatMap((branch, k) => [...(k ? [mo(sign)] : []), ...drawTree(branch, values, k ? signed : first)]);
  };

  // -- symbols
  const query = () => (isRecurrent() ? sub("s", "t") : sub("q", "t"));
  const isRecurrent = () => store.trace.options.form === "recurrent";
  const SCORES = {
    dot: () => [transposed(query()), sub("h", "i")],
    general: () => [transposed(query()), mi("W"), sub("h", "i")],
    additive: () => [transposed(mi("v")), apply("tanh", sub("W", "q"), query(), mo("+"), sub("W", "k"), sub("h", "i"))],
    scaled: () => [fraction([transposed(query()), sub("k", "i")], [m("msqrt", sub("d", "k"))])],
  };
  const exponential = (j) => apply("exp", sub("e", "t", j));
  const temperature = () => store.trace.options.temperature;
  const divideByTemperature = (parts) => (temperature() === 1 ? parts : [fraction(parts, [mi("τ")])]);
  const SYMBOLS = {
    query: () => (isRecurrent() ? [query(), mo("="), apply(context.data.cell, previous("y"), mo(","), previous("s"))] : [query(), mo("="), sub("W", "q"), sub("x", "t")]),
    score: () => [sub("e", "t", "i"), mo("="), ...divideByTemperature(SCORES[store.trace.options.scored]())],
    weight: () => [sub("α", "t", "i"), mo("="), fraction([exponential("i")], [sum("j"), exponential("j")])],
    context: () => [sub("c", "t"), mo("="), sum("i"), sub("α", "t", "i"), isRecurrent() ? sub("h", "i") : sub("v", "i")],
    join: () => (isRecurrent()
      ? [m("msub", m("mover", mi("s"), mo("~")), mi("t")), mo("="), apply("tanh", sub("W", "c"), mo("["), sub("c", "t"), mo(";"), sub("s", "t"), mo("]"))]
      : [sub("x", "t"), mo("+"), sub("W", "o"), mo("["), m("msubsup", mi("c"), mi("t"), m("mn", "1")), mo(";"), mo("…"), mo(";"), m("msubsup", mi("c"), mi("t"), mi("H")), mo("]")]),
    probability: () => [mi("p"), parentheses(mi("y")), mo("="), fraction([apply("exp", sub("z", "y"))], [sum("j"), apply("exp", sub("z", "j"))])],
  };

  // -- numbers
  // The largest terms of a sum one by one, the others together: terms of {value, nodes(first)}.
  function longSum(terms, othersLabel) {
    const ranked = [...terms].sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
    const largest = ranked.slice(0, ranked.length === maxTerms() + 1 ? maxTerms() + 1 : maxTerms());
    const others = ranked.slice(largest.length);
    const out = largest.flatMap((term, k) => [...(k ? [mo("+")] : []), ...term.nodes(k ? signed : number)]);
    if (!others.length) return out;
    const rest = others.reduce((total, term) => total + term.value, 0);
    return [...out, mo("+"), m("munder", signed(rest), text(unrolled.fillTemplate(othersLabel, { n: others.length })))];
  }

  // exp(value - max) / sum, the parts of a softmax
  const softmaxFraction = (value, { max, sum: total }) => fraction([apply("exp", number(value), mo("−"), signed(max))], [number(total)]);

  const NUMBERS = {
    query({ step }) {
      const { trace } = store;
      const input = token(trace.options.read[step]);
      const norm = Math.hypot(...selection.row(trace.arrays.state ?? trace.arrays.query, step));
      const from = isRecurrent() ? apply(context.data.cell, input, mo(","), step ? sub("s", String(step)) : sub("s", "0")) : apply(context.words.layer, input);
      return [mo("‖"), from, mo("‖"), mo("="), number(norm, isRecurrent() ? "state_norm" : "query_norm")];
    },
    score({ step, source }) {
      const { trace } = store;
      const { options } = trace;
      const value = selection.scores(store)[source];
      const score = number(value, "attention_score");
      if (value === -Infinity) return [text(context.words.masked), mo("="), score];
      if (options.scores_from) return [text(unrolled.fillTemplate(context.words.scores_from, { name: options.scores_from })), mo("="), score];
      const tree = context.data.score_terms[options.score];
      const terms = attentionMath.scoreTerms(trace, tree, step, source)
        .map((term) => ({ value: term.value, nodes: (first) => drawTree(tree, term.values, first) }));
      const total = longSum(terms, context.words.others);
      const divisor = attentionMath.scoreDivisor(trace);
      if (divisor === 1) return [...total, mo("="), score];
      return [fraction(total, [options.score === "scaled" ? m("msqrt", m("mn", String(terms.length))) : number(divisor)]), mo("="), score];
    },
    weight({ source }) {
      const scores = selection.scores(store);
      const parts = attentionMath.softmaxParts(scores);
      const weight = number(selection.weights(store)[source], "attention_weight");
      if (parts.max === -Infinity) return [text(context.words.masked), mo("="), weight];
      return [softmaxFraction(scores[source], parts), mo("="), weight];
    },
    context({ step, dimension }) {
      const terms = attentionMath.contextTerms(store.trace, step, dimension)
        .map(({ value, weight, source }) => ({ value, nodes: () => [number(weight), mo("×"), signed(source)] }));
      return [...longSum(terms, context.words.others), mo("="), number(selection.row(store.trace.arrays.context, step)[dimension], "context")];
    },
    join({ step, dimension }) {
      const { arrays, options } = store.trace;
      if (!isRecurrent()) return [m("mn", String(options.heads)), mo("×"), m("mn", String(arrays.source_value.shape[1])), mo("="), m("mn", String(options.heads * arrays.source_value.shape[1]))];
      const part = (name) => selection.row(arrays[name], step)[dimension];
      return [apply("tanh", m("munder", signed(part("joined_context")), text(context.words.from_context)), mo("+"),
        m("munder", signed(part("joined_state")), text(context.words.from_state))), mo("="), number(part("joined"), "joined")];
    },
    probability({ step }) {
      const { arrays, options } = store.trace;
      const left = [apply("p", token(store.trace.tokens[step])), mo("=")];
      const probability = number(selection.row(arrays.probability, step)[options.symbols[step]], "probability");
      if (!arrays.logit) return [...left, probability];
      const logits = selection.row(arrays.logit, step);
      return [...left, softmaxFraction(logits[options.symbols[step]], attentionMath.softmaxParts(logits)), mo("="), probability];
    },
  };

  // -- the component
  // The chosen dimension of the context, else that with the largest value.
  const currentDimension = () => {
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
      const numbers = html("div", { className: "unrolled-math numbers" });
      lines[stage] = numbers;
      const symbols = html("div", { className: "unrolled-math symbols" });
      symbols.append(math(...SYMBOLS[stage]()));
      unrolled.wrapMath(symbols);
      return html("div", { className: "line", role: "listitem", "data-part": stage }, mark, html("span", { className: "name", text: words.stages[stage] }), symbols, numbers);
    }));
    unitInput.max = store.trace.arrays.context.shape[1] - 1;
  }

  function fillNumbers() {
    const { trace, step } = store;
    const [source, dimension] = [selection.source(store), currentDimension()];
    for (const [stage, node] of Object.entries(lines)) {
      node.replaceChildren(math(...NUMBERS[stage]({ step, source, dimension })));
      unrolled.wrapMath(node);
    }
    if (document.activeElement !== unitInput) unitInput.value = dimension;
    caption.textContent = unrolled.fillTemplate(context.words.caption, {
      step: step + 1, n: source + 1, token: unrolled.displayToken(trace.options.source[source]), unit: dimension,
    });
  }

  context.on(unitInput, "input", () => {
    const { value, max } = unitInput;
    if (value === "" || !(Number(value) >= 0) || Number(value) > Number(max)) return;
    chosen = Math.trunc(Number(value));
    fillNumbers();
  });
  context.on(unitInput, "blur", () => { unitInput.value = currentDimension(); });
  const unsubscribe = selection.subscribe(store, () => store.trace && lines.query && fillNumbers());

  return {
    relabel() { unitLabel.textContent = context.words.unit; },
    layout,
    frame: fillNumbers,
    destroy: unsubscribe,
  };
}

unrolled.define("attention_formulas", build);
