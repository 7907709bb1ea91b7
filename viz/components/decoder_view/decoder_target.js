// The target side of the drawing: the state that asks, the context that comes back, how both make the next symbol.
unrolled.decodingTarget ??= (context) => {
  const { store } = context;
  const { attending } = unrolled;
  const SVG = "http://www.w3.org/2000/svg";
  const STRIP = 18, WIRES = 128;
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("aria-hidden", "true");
  const strips = unrolled.element("canvas", { "aria-hidden": "true" });
  const title = unrolled.element("p", { className: "unrolled-decoding-next" });
  const list = unrolled.element("div", { className: "unrolled-decoding-symbols", role: "list" });
  const output = unrolled.element("div", { className: "unrolled-decoding-output" }, title, list);
  const element = unrolled.element("div", { className: "unrolled-decoding-target" }, svg, strips, output);
  let rows = null, spans = null, bars = [], says = {};

  const make = (name, attributes, parent = svg) => {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    parent.append(node);
    return node;
  };

  function wire(points, colour, width = 2.5) {
    make("path", { d: `M${points.map((point) => point.join(",")).join("L")}`, fill: "none", stroke: colour, "stroke-width": width, "stroke-linejoin": "round" });
    const [[x0, y0], [x1, y1]] = points.slice(-2);
    const angle = (Math.atan2(y1 - y0, x1 - x0) * 180) / Math.PI;
    make("path", { d: "M2,0L-8,5.5L-8,-5.5Z", fill: colour, transform: `translate(${x1},${y1}) rotate(${angle})` });
  }

  function write(text, x, y, { anchor = "middle", size = 14, weight = 400, code = false, fill = context.theme.text } = {}) {
    const node = make("text", { x, y: y + size * 0.35, "text-anchor": anchor, "font-size": size, "font-weight": weight, fill });
    if (code) node.setAttribute("font-family", context.theme.code);
    node.textContent = text;
    return node;
  }

  function symbol(base, below, x, y, anchor = "middle") {
    const node = write("", x, y, { anchor, size: 18 });
    node.setAttribute("class", "symbol");
    const letter = document.createElementNS(SVG, "tspan");
    letter.setAttribute("font-style", "italic");
    letter.textContent = base;
    const index = document.createElementNS(SVG, "tspan");
    index.setAttribute("dy", 4);
    index.setAttribute("font-size", 13);
    index.textContent = below;
    node.append(letter, index);
  }

  function box(text, x, y, width, colour) {
    const at = { x: x - width / 2, y: y - 16, width, height: 32, rx: 6 };
    make("rect", { ...at, fill: context.theme.background });
    make("rect", { ...at, fill: colour, "fill-opacity": 0.14, stroke: colour, "stroke-width": 1.8 });
    write(text, x, y, { size: 14 });
  }

  function build() {
    const { theme, palette, words } = context;
    const { options } = store.trace;
    const recurrent = options.form === "recurrent";
    const [hidden, fetched] = [palette.quantity.hidden, palette.quantity.context];
    const spine = STRIP + 66; // where the state comes down
    const middle = (row) => row.top + row.height / 2;
    const [top, ask, join, give] = [middle(rows.token), middle(rows.key), middle(rows.weight) - 6, middle(rows.value)];
    svg.replaceChildren();
    svg.setAttribute("width", STRIP + WIRES);
    svg.setAttribute("height", rows.height);
    says.read = write("", STRIP + 2, top, { anchor: "start", size: 15, code: true });
    wire([[STRIP + 26, top], [spine - 27, top]], theme.text, 1.75);
    wire([[spine, top + 16], [spine, join - 18]], hidden);
    box(words.boxes[recurrent ? "cell" : "layer"], spine + (recurrent ? 2 : 4), top, recurrent ? 56 : 62, hidden);
    wire([[spine, ask], [STRIP + 5, ask]], hidden);
    make("circle", { cx: spine, cy: ask, r: 4, fill: hidden });
    symbol(recurrent && options.score !== "additive" ? "s" : "q", "t", STRIP + 32, ask - 15);
    wire([[STRIP + 2, give], [spine, give], [spine, join + 18]], fetched);
    symbol("c", "t", STRIP + 32, give - 15);
    box(words.boxes[recurrent ? "join" : "heads"], spine, join, 62, theme.text);
    wire([[spine + 31, join], [STRIP + WIRES - 3, join]], theme.text);
  }

  function symbols() {
    const { vocabulary } = store.trace;
    bars = vocabulary.map((name) => {
      const [fill, chance] = [unrolled.element("i"), unrolled.element("span")];
      const node = unrolled.element("div", { role: "listitem" }, unrolled.element("b", { text: unrolled.token(name) }),
        unrolled.element("div", { className: "unrolled-track" }, fill), chance);
      return { node, fill, chance };
    });
    list.replaceChildren(...bars.map(({ node }) => node));
  }

  const percent = (p) => (p !== p ? "–" : p >= 0.9995 ? "100%" : p < 0.0005 ? "<0.1%" : `${(p * 100).toFixed(1)}%`);

  function strip(pen, values, span, { top, height }) {
    const size = values.length;
    for (let k = 0; k < size; k++) {
      pen.fillStyle = unrolled.tint(values[k], { name: "signed", ...span }, context.palette);
      const [from, to] = [Math.round((k * height) / size), Math.round(((k + 1) * height) / size)];
      pen.fillRect(0, top + from, STRIP, to - from);
    }
    pen.strokeStyle = context.theme.text;
    pen.globalAlpha = 0.3;
    pen.strokeRect(0.5, top + 0.5, STRIP - 1, height - 1);
    pen.globalAlpha = 1;
  }

  return {
    element,
    width: STRIP + WIRES,
    layout(places, images) {
      rows = places;
      spans = images;
      build();
      symbols();
      title.textContent = context.words.next;
      element.style.height = `${rows.height}px`;
    },
    frame() {
      const { trace, step } = store;
      const { arrays } = trace;
      const pen = unrolled.size(strips, STRIP, rows.height);
      const query = attending.row(arrays.query, step);
      const most = query.reduce((size, value) => Math.max(size, Math.abs(value)), 0) || 1;
      strip(pen, query, { low: -most, high: most }, rows.key);
      strip(pen, attending.row(arrays.context, step), spans.value.span, rows.value);
      says.read.textContent = unrolled.token(trace.options.read[step]);
      const chances = attending.row(arrays.probability, step);
      bars.forEach(({ node, fill, chance }, k) => {
        fill.style.transform = `scaleX(${chances[k] === chances[k] ? chances[k] : 0})`;
        chance.textContent = percent(chances[k]);
        node.classList.toggle("unrolled-said", trace.options.symbols[step] === k);
      });
    },
  };
};
