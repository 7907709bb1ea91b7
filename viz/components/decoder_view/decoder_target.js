// The target side of the drawing: the query, the context, and the next symbol that both give.
unrolled.decoderTarget ??= (context) => {
  const { store } = context;
  const selection = unrolled.attentionSelection;
  const SVG = "http://www.w3.org/2000/svg";
  const STRIP = 18, DIAGRAM = 128; // widths
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("aria-hidden", "true");
  const strips = unrolled.element("canvas", { "aria-hidden": "true" });
  const title = unrolled.element("p", { className: "unrolled-decoder-next" });
  const list = unrolled.element("div", { className: "unrolled-decoder-symbols", role: "list" });
  const output = unrolled.element("div", { className: "unrolled-decoder-output" }, title, list);
  const element = unrolled.element("div", { className: "unrolled-decoder-target" }, svg, strips, output);
  let rows = null, images = null, bars = [], readToken = null;

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

  function addText(text, x, y, { anchor = "middle", size = 14, weight = 400, code = false, fill = context.theme.text } = {}) {
    const node = make("text", { x, y: y + size * 0.35, "text-anchor": anchor, "font-size": size, "font-weight": weight, fill });
    if (code) node.setAttribute("font-family", context.theme.code);
    node.textContent = text;
    return node;
  }

  function symbol(base, below, x, y, anchor = "middle") {
    const node = addText("", x, y, { anchor, size: 18 });
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
    addText(text, x, y, { size: 14 });
  }

  function build() {
    const { theme, palette, words } = context;
    const { options } = store.trace;
    const recurrent = options.form === "recurrent";
    const [hiddenColour, contextColour] = [palette.quantity.hidden, palette.quantity.context];
    const stateX = STRIP + 66; // of the vertical line of the state
    const middle = (row) => row.top + row.height / 2;
    const [top, queryY, joinY, contextY] = [middle(rows.token), middle(rows.key), middle(rows.weight) - 6, middle(rows.value)];
    svg.replaceChildren();
    svg.setAttribute("width", STRIP + DIAGRAM);
    svg.setAttribute("height", rows.height);
    readToken = addText("", STRIP + 2, top, { anchor: "start", size: 15, code: true });
    wire([[STRIP + 26, top], [stateX - 27, top]], theme.text, 1.75);
    wire([[stateX, top + 16], [stateX, joinY - 18]], hiddenColour);
    box(words.boxes[recurrent ? "cell" : "layer"], stateX + (recurrent ? 2 : 4), top, recurrent ? 56 : 62, hiddenColour);
    wire([[stateX, queryY], [STRIP + 5, queryY]], hiddenColour);
    make("circle", { cx: stateX, cy: queryY, r: 4, fill: hiddenColour });
    symbol(recurrent && options.score !== "additive" ? "s" : "q", "t", STRIP + 32, queryY - 15);
    wire([[STRIP + 2, contextY], [stateX, contextY], [stateX, joinY + 18]], contextColour);
    symbol("c", "t", STRIP + 32, contextY - 15);
    box(words.boxes[recurrent ? "join" : "heads"], stateX, joinY, 62, theme.text);
    wire([[stateX + 31, joinY], [STRIP + DIAGRAM - 3, joinY]], theme.text);
  }

  function symbols() {
    const { vocabulary } = store.trace;
    bars = vocabulary.map((name) => {
      const [fill, probability] = [unrolled.element("i"), unrolled.element("span")];
      const node = unrolled.element("div", { role: "listitem" }, unrolled.element("b", { text: unrolled.displayToken(name) }),
        unrolled.element("div", { className: "unrolled-track" }, fill), probability);
      return { node, fill, probability };
    });
    list.replaceChildren(...bars.map(({ node }) => node));
  }

  // A vector as a vertical strip of colours.
  function drawVector(pen, values, range, { top, height }) {
    const size = values.length;
    for (let k = 0; k < size; k++) {
      pen.fillStyle = unrolled.colourOf(values[k], { name: "signed", ...range }, context.palette);
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
    width: STRIP + DIAGRAM,
    layout(rowPlaces, vectorImages) {
      rows = rowPlaces;
      images = vectorImages;
      build();
      symbols();
      title.textContent = context.words.next;
      element.style.height = `${rows.height}px`;
    },
    frame() {
      const { trace, step } = store;
      const { arrays } = trace;
      const pen = unrolled.sizeCanvas(strips, STRIP, rows.height);
      const query = selection.row(arrays.query, step);
      const max = query.reduce((size, value) => Math.max(size, Math.abs(value)), 0) || 1;
      drawVector(pen, query, { low: -max, high: max }, rows.key);
      drawVector(pen, selection.row(arrays.context, step), images.value.range, rows.value);
      readToken.textContent = unrolled.displayToken(trace.options.read[step]);
      const probabilities = selection.row(arrays.probability, step);
      bars.forEach(({ node, fill, probability }, k) => {
        fill.style.transform = `scaleX(${probabilities[k] === probabilities[k] ? probabilities[k] : 0})`;
        probability.textContent = unrolled.formatPercent(probabilities[k]);
        node.classList.toggle("unrolled-generated", trace.options.symbols[step] === k);
      });
    },
  };
};
