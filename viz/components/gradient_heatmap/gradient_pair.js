// One pair of the gradient heatmap: the loss at step t and the state at step k, the product of Jacobians, and the split by paths.
unrolled.gradientPair ??= (context) => {
  const { store } = context;
  const { element, fillTemplate, formatNumber, displayToken } = unrolled;
  const MATH = "http://www.w3.org/1998/Math/MathML", SVG = "http://www.w3.org/2000/svg";
  const root = element("div", { className: "unrolled-gradient-pair", "aria-live": "polite" });

  const tag = (space, name, attributes = {}, ...children) => {
    const node = document.createElementNS(space, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children.map((child) => (child instanceof Node ? child : document.createTextNode(child))));
    return node;
  };
  const m = (name, ...children) => tag(MATH, name, {}, ...children);
  const mi = (text) => m("mi", text), mo = (text) => m("mo", text), mn = (text) => m("mn", text);
  const row = (...children) => m("mrow", ...children);
  const partial = (above, below) => m("mfrac", row(mo("∂"), ...above), row(mo("∂"), ...below));
  const norm = (inside) => row(mo("‖"), inside, mo("‖"));

  // 0.00000123 -> 1.23 × 10^-6, as MathML
  function mathNumber(value, digits = 3) {
    if (!Number.isFinite(value) || value === 0 || (Math.abs(value) >= 1e-3 && Math.abs(value) < 1e4)) return [mn(formatShort(value, digits))];
    const power = Math.floor(Math.log10(Math.abs(value)));
    return [mn((value / 10 ** power).toFixed(2)), mo("×"), m("msup", mn("10"), row(power < 0 ? mo("−") : mn(""), mn(String(Math.abs(power)))))];
  }

  // Whether a step passes on more than this layer's h.
  const hasMoreState = () => store.trace.options.states.length > 1 || store.trace.options.stacked;

  function formula(whole, own, distance, factor) {
    const { trace } = store;
    const step = trace.options.reverse ? -1 : 1;
    // s: all of the state that a step passes on, where that is more than this layer's h
    const state = hasMoreState() ? "s" : "h";
    const loss = m("msub", mi("l"), mi("t")), at = (name) => m("msub", mi(state), mi(name)), end = () => m("msub", mi("h"), mi("k"));
    const previous = m("msub", mi(state), row(mi("j"), mo(step > 0 ? "−" : "+"), mn("1")));
    const product = m("munderover", mo("∏"), row(mi("j"), mo("="), mi("k"), mo(step > 0 ? "+" : "−"), mn("1")), mi("t"));
    const math = tag(MATH, "math", { display: "block" });
    const cells = [
      [[norm(partial([loss], [end()]))], [mo("="), mo("‖"), partial([m("msub", mi("l"), mi("t"))], [at("t")]), product, partial([at("j")], [previous]), ...(hasMoreState() ? [partial([at("k")], [end()])] : []), mo("‖")]],
      [mathNumber(whole), factor === null && whole !== own ? [] : [mo("="), ...mathNumber(own), ...(factor === null ? [] : [mo("·"), m("msup", row(...mathNumber(factor, 4)), mn(String(distance)))])]],
    ];
    math.append(tag(MATH, "mtable", { displaystyle: "true" }, ...cells.map(([left, right]) => m("mtr", tag(MATH, "mtd", { style: "text-align: right" }, ...left),
      tag(MATH, "mtd", { style: "text-align: left" }, ...right)))));
    return math;
  }

  // Three significant digits, without an exponent down to a thousandth.
  const formatShort = (value, digits = 3) => (Number.isFinite(value) && Math.abs(value) >= 1e-3 && Math.abs(value) < 1e5
    ? String(Number(value.toPrecision(digits))) : formatNumber(value, digits));

  const valueElement = (quantity, value, k, t) => element("b", {
    text: formatShort(value), "data-quantity": quantity, "data-layer": store.trace.layer, "data-step": k, "data-loss-step": t, "data-value": String(value),
  });

  // Three arrows to scale: the direct part, the rest from its tip, and their sum. Two vectors and their sum are in one plane.
  function arrows(straight, other, whole, colours) {
    const width = 300, height = 132, margin = 14;
    const max = Math.max(straight, other, whole);
    if (!(max > 0) || !Number.isFinite(max)) return null;
    const [a, b, c] = [straight / max, other / max, whole / max];
    // The sum points along x; the tip of the direct part follows from the law of cosines.
    let x = 0, y = 0;
    if (c > 1e-6) { x = (a * a + c * c - b * b) / (2 * c); y = Math.sqrt(Math.max(0, a * a - x * x)); } else { x = a; }
    const left = Math.min(0, x, c), right = Math.max(0, x, c, 1e-9);
    const scale = Math.min((width - 2 * margin) / (right - left), (height - 2 * margin) / Math.max(y, 1e-9), width - 2 * margin);
    const px = (value) => margin + (value - left) * scale, base = Math.min(height - margin, margin + y * scale + 2), py = (value) => base - value * scale;
    const drawing = tag(SVG, "svg", { viewBox: `0 0 ${width} ${base + margin}`, width, height: base + margin, "aria-hidden": "true" });
    const arrow = (x1, y1, x2, y2, colour, name, lineWidth) => {
      const [dx, dy] = [px(x2) - px(x1), py(y2) - py(y1)], length = Math.hypot(dx, dy);
      if (length < 1) return;
      const [ux, uy] = [dx / length, dy / length], head = Math.min(9, length * 0.6), [tipX, tipY] = [px(x2), py(y2)];
      drawing.append(
        tag(SVG, "line", { x1: px(x1), y1: py(y1), x2: tipX - ux * head * 0.8, y2: tipY - uy * head * 0.8, stroke: colour, "stroke-width": lineWidth, "data-arrow": name }),
        tag(SVG, "polygon", {
          points: `${tipX},${tipY} ${tipX - ux * head - uy * head * 0.45},${tipY - uy * head + ux * head * 0.45} ${tipX - ux * head + uy * head * 0.45},${tipY - uy * head - ux * head * 0.45}`,
          fill: colour,
        }));
    };
    arrow(0, 0, c, 0, colours.whole, "whole", 2.5);
    arrow(0, 0, x, y, colours.straight, "straight", 3);
    arrow(x, y, c, 0, colours.other, "other", 3);
    return drawing;
  }

  function split(k, t, r) {
    const { trace } = store;
    const { words, theme, palette } = context;
    if (!trace.arrays.straight) return element("p", { className: "unrolled-muted", text: trace.kind === "LSTM" ? words.no_line_norm : words.no_line });
    const [straight, other, whole] = ["straight", "other", "carried"].map((name) => trace.value(name, k, r));
    const colours = { straight: palette.quantity.cell, other: palette.quantity.candidate, whole: theme.text };
    const labels = { straight: trace.options.states.includes("cell") ? words.straight_cell : words.straight_hidden, other: words.other, whole: words.together };
    const line = (name, quantity, value) => {
      const dot = element("i");
      dot.style.background = colours[name];
      return element("div", { className: "unrolled-gradient-path" }, dot, element("span", { text: labels[name] }), valueElement(quantity, value, k, t));
    };
    const box = element("div", { className: "unrolled-gradient-paths" },
      element("h5", { text: words.split }),
      element("p", { className: "unrolled-muted", text: trace.options.states.includes("cell") ? words.carried_cell : words.carried_hidden }),
      line("straight", "straight_norm", straight), line("other", "other_norm", other), line("whole", "carried_norm", whole));
    const drawing = arrows(straight, other, whole, colours);
    if (drawing) {
      const path = trace.options.states.includes("cell") ? words.path_cell : words.path_hidden;
      const share = whole > 0 ? formatShort(straight / whole) : "–";
      box.append(drawing, element("p", { className: "unrolled-muted", text: fillTemplate(words.sum, { path, share }) }));
    }
    return box;
  }

  function frame() {
    const { trace, step: k, unit: r } = store;
    const { words } = context;
    const t = trace.options.rows[r];
    const whole = trace.value("hidden", k, r), own = trace.value("hidden", t, r);
    const distance = Math.abs(t - k);
    const comesLater = trace.options.reverse ? k < t : k > t;
    const parts = [
      element("p", { className: "unrolled-gradient-pair-steps" },
        element("span", { text: fillTemplate(words.loss_at, { step: t + 1, token: displayToken(trace.tokens[t]) }) }), " → ",
        element("span", { text: fillTemplate(words.state_at, { step: k + 1, token: displayToken(trace.tokens[k]) }) })),
      element("p", { className: "unrolled-gradient-pair-norm" }, element("span", { text: words.whole }), valueElement("pair_norm", whole, k, t)),
    ];
    const addText = (text) => parts.push(element("p", { className: "unrolled-muted", text }));
    if (comesLater && !(whole > 0)) addText(fillTemplate(words.unreachable, { loss: t + 1, state: k + 1 }));
    else if (!Number.isFinite(whole)) addText(words.broken);
    else {
      const factor = distance && whole > 0 && own > 0 ? (whole / own) ** (1 / distance) : null;
      parts.push(formula(whole, own, distance, factor));
      if (!trace.options.finite) addText(words.nonfinite_states);
      else if (whole === 0) addText(trace.options.clamped ? words.cut : words.vanished);
      else addText((hasMoreState() ? `${words.states} ` : "") + (distance ? fillTemplate(words.factor, { factor: factor === null ? "–" : formatNumber(factor, 4) }) : words.same));
      if (trace.options.split !== false) parts.push(split(k, t, r)); // false: norms alone, of an unknown cell
    }
    root.replaceChildren(...parts);
  }
  return { element: root, frame };
};
