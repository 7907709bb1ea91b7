// One pair of the gradient map: the loss at step t and the state at step k, its product of Jacobians, and its ways.
unrolled.gradientPair ??= (context) => {
  const { store } = context;
  const { element, fill, number, token } = unrolled;
  const MATH = "http://www.w3.org/1998/Math/MathML", SVG = "http://www.w3.org/2000/svg";
  const root = element("div", { className: "unrolled-pair", "aria-live": "polite" });

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

  // 0.00000123 -> 1.23 × 10^-6, as formula parts
  function figure(value, digits = 3) {
    if (!Number.isFinite(value) || value === 0 || (Math.abs(value) >= 1e-3 && Math.abs(value) < 1e4)) return [mn(short(value, digits))];
    const power = Math.floor(Math.log10(Math.abs(value)));
    return [mn((value / 10 ** power).toFixed(2)), mo("×"), m("msup", mn("10"), row(power < 0 ? mo("−") : mn(""), mn(String(Math.abs(power)))))];
  }

  const manifold = () => store.trace.kind === "LSTM" || store.trace.options.stacked;

  function formula(whole, own, distance, factor) {
    const { trace } = store;
    const step = trace.options.reverse ? -1 : 1;
        // s: all that a step hands on, where that is more than this layer's h
    const state = manifold() ? "s" : "h";
    const loss = m("msub", mi("l"), mi("t")), at = (name) => m("msub", mi(state), mi(name)), end = () => m("msub", mi("h"), mi("k"));
    const previous = m("msub", mi(state), row(mi("j"), mo(step > 0 ? "−" : "+"), mn("1")));
    const product = m("munderover", mo("∏"), row(mi("j"), mo("="), mi("k"), mo(step > 0 ? "+" : "−"), mn("1")), mi("t"));
    const math = tag(MATH, "math", { display: "block" });
    const cells = [
      [[norm(partial([loss], [end()]))], [mo("="), mo("‖"), partial([m("msub", mi("l"), mi("t"))], [at("t")]), product, partial([at("j")], [previous]), ...(manifold() ? [partial([at("k")], [end()])] : []), mo("‖")]],
      [figure(whole), [mo("="), ...figure(own), ...(factor === null ? [] : [mo("·"), m("msup", row(...figure(factor, 4)), mn(String(distance)))])]],
    ];
    math.append(tag(MATH, "mtable", { displaystyle: "true" }, ...cells.map(([left, right]) => m("mtr", tag(MATH, "mtd", { style: "text-align: right" }, ...left),
      tag(MATH, "mtd", { style: "text-align: left" }, ...right)))));
    return math;
  }

  // Three significant digits, as many zeros as it takes down to a thousandth.
  const short = (value, digits = 3) => (Number.isFinite(value) && Math.abs(value) >= 1e-3 && Math.abs(value) < 1e5
    ? String(Number(value.toPrecision(digits))) : number(value, digits));

  const told = (quantity, value, k, t) => element("b", {
    text: short(value), "data-quantity": quantity, "data-layer": store.trace.layer, "data-step": k, "data-loss-step": t, "data-value": String(value),
  });

  // Three arrows to scale: the straight part, the rest from its tip, and their sum. Two vectors and their sum lie in one plane.
  function arrows(straight, other, whole, colours) {
    const width = 300, height = 132, room = 14;
    const most = Math.max(straight, other, whole);
    if (!(most > 0) || !Number.isFinite(most)) return null;
    const [a, b, c] = [straight / most, other / most, whole / most];
    // the whole lies along x; the tip of the straight part by the law of cosines
    let x = 0, y = 0;
    if (c > 1e-6) { x = (a * a + c * c - b * b) / (2 * c); y = Math.sqrt(Math.max(0, a * a - x * x)); } else { x = a; }
    const left = Math.min(0, x, c), right = Math.max(0, x, c, 1e-9);
    const scale = Math.min((width - 2 * room) / (right - left), (height - 2 * room) / Math.max(y, 1e-9), width - 2 * room);
    const px = (value) => room + (value - left) * scale, base = Math.min(height - room, room + y * scale + 2), py = (value) => base - value * scale;
    const picture = tag(SVG, "svg", { viewBox: `0 0 ${width} ${base + room}`, width, height: base + room, "aria-hidden": "true" });
    const arrow = (x1, y1, x2, y2, colour, name, wide) => {
      const [dx, dy] = [px(x2) - px(x1), py(y2) - py(y1)], length = Math.hypot(dx, dy);
      if (length < 1) return;
      const [ux, uy] = [dx / length, dy / length], head = Math.min(9, length * 0.6), [tipX, tipY] = [px(x2), py(y2)];
      picture.append(
        tag(SVG, "line", { x1: px(x1), y1: py(y1), x2: tipX - ux * head * 0.8, y2: tipY - uy * head * 0.8, stroke: colour, "stroke-width": wide, "data-arrow": name }),
        tag(SVG, "polygon", {
          points: `${tipX},${tipY} ${tipX - ux * head - uy * head * 0.45},${tipY - uy * head + ux * head * 0.45} ${tipX - ux * head + uy * head * 0.45},${tipY - uy * head - ux * head * 0.45}`,
          fill: colour,
        }));
    };
    arrow(0, 0, c, 0, colours.whole, "whole", 2.5);
    arrow(0, 0, x, y, colours.straight, "straight", 3);
    arrow(x, y, c, 0, colours.other, "other", 3);
    return picture;
  }

  function split(k, t, r) {
    const { trace } = store;
    const { words, theme, palette } = context;
    if (!trace.arrays.straight) return element("p", { className: "unrolled-quiet", text: words.no_line });
    const [straight, other, whole] = ["straight", "other", "carried"].map((name) => trace.value(name, k, r));
    const colours = { straight: palette.quantity.cell, other: palette.quantity.candidate, whole: theme.text };
    const line = (name, quantity, value) => {
      const dot = element("i");
      dot.style.background = colours[name];
      return element("div", { className: "unrolled-way" }, dot, element("span", { text: words[name === "whole" ? "together" : name] }), told(quantity, value, k, t));
    };
    const box = element("div", { className: "unrolled-ways" },
      element("h5", { text: words.split }),
      element("p", { className: "unrolled-quiet", text: trace.kind === "LSTM" ? words.carried_cell : words.carried_hidden }),
      line("straight", "straight_norm", straight), line("other", "other_norm", other), line("whole", "carried_norm", whole));
    const picture = arrows(straight, other, whole, colours);
    if (picture) {
      const share = whole > 0 ? short(straight / whole) : "–";
      box.append(picture, element("p", { className: "unrolled-quiet", text: fill(words.sum, { share }) }));
    }
    return box;
  }

  function frame() {
    const { trace, step: k, unit: r } = store;
    const { words } = context;
    const t = trace.options.rows[r];
    const whole = trace.value("hidden", k, r), own = trace.value("hidden", t, r);
    const distance = Math.abs(t - k);
    const later = trace.options.reverse ? k < t : k > t;
    const parts = [
      element("p", { className: "unrolled-places" },
        element("span", { text: fill(words.loss_at, { step: t + 1, token: token(trace.tokens[t]) }) }), " → ",
        element("span", { text: fill(words.state_at, { step: k + 1, token: token(trace.tokens[k]) }) })),
      element("p", { className: "unrolled-number" }, element("span", { text: words.whole }), told("pair_norm", whole, k, t)),
    ];
    const say = (text) => parts.push(element("p", { className: "unrolled-quiet", text }));
    if (later && !(whole > 0)) say(fill(words.unreachable, { loss: t + 1, state: k + 1 }));
    else if (!Number.isFinite(whole)) say(words.broken);
    else {
      const factor = distance && whole > 0 && own > 0 ? (whole / own) ** (1 / distance) : null;
      parts.push(formula(whole, own, distance, factor));
      if (whole === 0) say(words.vanished);
      else say((manifold() ? `${words.states} ` : "") + (distance ? fill(words.factor, { factor: factor === null ? "–" : number(factor, 4) }) : words.same));
      parts.push(split(k, t, r));
    }
    root.replaceChildren(...parts);
  }
  return { element: root, frame };
};
