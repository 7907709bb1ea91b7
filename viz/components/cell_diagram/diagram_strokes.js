// The parts of the cell diagram: wires, boxes, nodes, valves and the numbers on them, each named after its quantity.
const SVG = "http://www.w3.org/2000/svg";
const TARGET = 48; // pixels of the drawing, which are 44 of the smallest

function svgElement(name, attributes, parent) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes ?? {})) node.setAttribute(key, value);
  parent?.append(node);
  return node;
}

/** A polyline with rounded corners. */
function roundedPath(points, radius = 10) {
  let d = `M${points[0]}`;
  for (let k = 1; k < points.length; k++) {
    const [x, y] = points[k];
    if (k === points.length - 1) return `${d}L${x},${y}`;
    const towards = ([tx, ty]) => {
      const length = Math.hypot(tx - x, ty - y);
      const r = Math.min(radius, length / 2) / (length || 1);
      return `${x + (tx - x) * r},${y + (ty - y) * r}`;
    };
    d += `L${towards(points[k - 1])}Q${x},${y} ${towards(points[k + 1])}`;
  }
  return d;
}

/** A diagram in the making. Each part has the name of its quantity; what changes with the step is listed in `live`. */
class Drawing {
  /** `colours` is {quantity: hex}; `before` is the index of the previous state: t−1, or t+1 in a reversed layer; `letters` is
      {quantity: letter}. */
  constructor(svg, { theme, colours, words, before, letters }) {
    Object.assign(this, { svg, theme, colours, words, before, letters });
    this.boxFill = theme.dark ? "rgba(255,255,255,0.05)" : "rgba(49,51,63,0.035)";
    this.layers = { frame: svgElement("g", {}, svg), wires: svgElement("g", {}, svg), parts: svgElement("g", {}, svg) };
    this.live = { wires: [], chips: [], valves: [] };
  }

  colour(part) {
    return this.colours[part.replace("_prev", "")] ?? this.theme.text;
  }

  /** The symbol of a quantity as [base, subscript]: f_t, h_{t-1}, x_t. */
  symbolOf(part) {
    const state = part.replace("_prev", "");
    return [part === "input" ? "x" : this.letters[state], state === part ? "t" : this.before];
  }

  group(part, layer) {
    const g = svgElement("g", { "data-part": part }, this.layers[layer]);
    svgElement("title", {}, g).textContent = this.words.names[part] ?? "";
    return g;
  }

  frame(x, y, width, height) {
    svgElement("rect", { x, y, width, height, rx: 18, fill: this.theme.background }, this.layers.frame);
    svgElement("rect", { x, y, width, height, rx: 18, fill: this.boxFill, stroke: this.theme.text, "stroke-opacity": 0.35,
      "stroke-width": 1.5 }, this.layers.frame);
  }

  /** A wire of a quantity; `value` computes its value from {slot: value}. */
  wire(part, points, value, { arrow = false } = {}) {
    const g = this.group(part, "wires");
    const colour = this.colour(part);
    const d = roundedPath(points);
    svgElement("path", { d, fill: "none", stroke: "transparent", "stroke-width": 18, "pointer-events": "stroke" }, g);
    const path = svgElement("path", { d, fill: "none", stroke: colour, class: "wire", "stroke-width": 2 }, g);
    this.live.wires.push({ path, value: value ?? ((v) => v[part]) });
    if (arrow) {
      const [[x0, y0], [x1, y1]] = points.slice(-2);
      const angle = (Math.atan2(y1 - y0, x1 - x0) * 180) / Math.PI;
      svgElement("path", { d: "M12,0L-1,7.5L-1,-7.5Z", fill: colour, transform: `translate(${x1},${y1}) rotate(${angle})` }, g);
    }
  }

  /** A gap in the wires drawn so far, for a wire that crosses without a connection. */
  bridge(x, y, vertical = true) {
    const [w, h] = vertical ? [14, 12] : [12, 14];
    const at = { x: x - w / 2, y: y - h / 2, width: w, height: h };
    svgElement("rect", { ...at, fill: this.theme.background }, this.layers.wires);
    svgElement("rect", { ...at, fill: this.boxFill }, this.layers.wires);
  }

  dot(part, x, y) {
    svgElement("circle", { cx: x, cy: y, r: 4.5, fill: this.colour(part) }, this.group(part, "parts"));
  }

  /** A layer of the network (sigma, tanh, with weights) as a rectangle; a function of one number as a pill. */
  box(part, label, x, y, { width, height = 30, pill = false } = {}) {
    const size = label.length > 6 ? 13 : 15;
    width ??= Math.max(50, 10 + 0.52 * size * label.length);
    const g = this.group(part, "parts");
    const colour = this.colour(part);
    if (pill) height = 24;
    const at = { x: x - width / 2, y: y - height / 2, width, height, rx: pill ? 12 : 5 };
    if (!pill) { // what a finger meets
      const [wide, high] = [Math.max(width, TARGET), Math.max(height, TARGET)];
      svgElement("rect", { x: x - wide / 2, y: y - high / 2, width: wide, height: high, fill: "transparent", class: "target" }, g);
    }
    svgElement("rect", { ...at, fill: this.theme.background, class: "background" }, g);
    svgElement("rect", { ...at, fill: colour, "fill-opacity": pill ? 0 : 0.18, stroke: colour, "stroke-width": 1.8 }, g);
    this.text(g, label, x, y, { anchor: "middle", size });
    if (!pill) {
      g.setAttribute("tabindex", "0");
      g.setAttribute("role", "button");
      g.setAttribute("aria-label", this.words.names[part] ?? label);
    }
  }

  /** A matrix on a wire. */
  weights(part, symbol, x, y) {
    this.box(part, "", x, y, { width: 44 });
    this.symbol(this.group(part, "parts"), symbol, x, y, "middle");
  }

  node(part, sign, x, y) {
    const g = this.group(part, "parts");
    svgElement("circle", { cx: x, cy: y, r: 11, fill: this.theme.background, class: "background" }, g);
    svgElement("circle", { cx: x, cy: y, r: 11, fill: "none", stroke: this.colour(part), "stroke-width": 1.8 }, g);
    const r = 5;
    const d = sign === "+" ? `M${x - r},${y}H${x + r}M${x},${y - r}V${y + r}`
      : `M${x - r * 0.8},${y - r * 0.8}l${r * 1.6},${r * 1.6}m0,${-r * 1.6}l${-r * 1.6},${r * 1.6}`;
    svgElement("path", { d, stroke: this.theme.text, "stroke-width": 1.8, "stroke-linecap": "round" }, g);
  }

  /** Two blades across a wire, open by the gate's value: 0 closed, 1 open. */
  valve(part, x, y, { across = "y", value } = {}) {
    const g = this.group(part, "parts");
    const inner = svgElement("g", { transform: `translate(${x},${y})${across === "x" ? " rotate(90)" : ""}` }, g);
    const half = 19;
    const colour = this.colour(part);
    svgElement("rect", { x: -8, y: -half, width: 16, height: 2 * half, fill: "transparent" }, inner);
    const blades = [-1, 1].map((side) => {
      const blade = svgElement("rect", { x: -4.5, y: side < 0 ? -half : 0, width: 9, height: half, fill: colour, class: "blade" }, inner);
      blade.style.transformOrigin = `0 ${side * half}px`;
      return blade;
    });
    for (const side of [-1, 1]) {
      svgElement("path", { d: `M-8,${side * half}H8`, stroke: colour, "stroke-width": 3, "stroke-linecap": "round" }, inner);
    }
    svgElement("path", { d: `M-4.5,${-half}V${half}M4.5,${-half}V${half}`, stroke: colour, "stroke-opacity": 0.45 }, inner);
    this.live.valves.push({ blades, value: value ?? ((v) => v[part]) });
  }

  /** A number in a gap of its wire, with a symbol before it if there is one; in a narrow gap the symbol is above, beside the wire. */
  chip(part, slot, x, y, { symbol, value, width } = {}) {
    const g = this.group(part, "parts");
    const w = width ?? (symbol ? 86 : 54);
    const at = { x: x - w / 2, y: y - 11, width: w, height: 22, rx: 5 };
    svgElement("rect", { ...at, fill: this.theme.background, class: "background" }, g);
    svgElement("rect", { ...at, fill: this.boxFill, class: "background" }, g);
    const isNarrow = w <= 80; // no room for a symbol and "=" beside the number: without it a minus reads as a subtraction
    if (symbol && isNarrow) this.symbol(g, symbol, x - 6, y - 20, "end");
    else if (symbol) this.symbol(g, symbol, x - w / 2 + 2, y);
    if (symbol && !isNarrow) this.text(g, "=", x - w / 2 + 25, y, { anchor: "middle" });
    const isBeside = symbol && !isNarrow;
    const text = this.text(g, "", isBeside ? x + w / 2 - 2 : x, y, { anchor: isBeside ? "end" : "middle" });
    this.live.chips.push({ text, slot, value });
  }

  /** The symbol and number of an input or output of the cell: the symbol above its wire, the number below. */
  terminal(part, slot, x, y, { anchor = "start" } = {}) {
    const g = this.group(part, "parts");
    svgElement("rect", { x: anchor === "start" ? x - 4 : x - 52, y: y - 30, width: 56, height: 60, fill: "transparent" }, g);
    this.symbol(g, this.symbolOf(part), x, y - 17, anchor, 18);
    const text = this.text(g, "", x, y + 18, { anchor });
    this.live.chips.push({ text, slot });
  }

  /** The same at a wire that runs down: the symbol on its left, the number on its right; of the last wire, both on its left. */
  besideWire(part, x, y, { isLast = false } = {}) {
    const g = this.group(part, "parts");
    svgElement("rect", { x: isLast ? x - 110 : x - 36, y: y - 18, width: isLast ? 118 : 100, height: 36, fill: "transparent" }, g);
    this.symbol(g, this.symbolOf(part), isLast ? x - 64 : x - 8, y, "end", 18);
    const text = this.text(g, "", isLast ? x - 8 : x + 8, y, { anchor: isLast ? "end" : "start" });
    this.live.chips.push({ text, slot: part });
  }

  /** The input token, framed, from x to the right, or with the anchor "end" to the left; its text is set by `setToken`. */
  token(x, y, { anchor = "start" } = {}) {
    const g = this.group("input", "parts");
    const frame = svgElement("rect", { x, y: y - 11, height: 24, rx: 5, fill: "none", stroke: this.theme.text, "stroke-opacity": 0.5 }, g);
    const text = this.text(g, "", anchor === "start" ? x + 8 : x - 8, y, { anchor });
    text.setAttribute("font-family", this.theme.code);
    this.tokenNodes = { frame, text, end: anchor === "end" ? x : null };
  }

  setToken(token) {
    const { frame, text, end } = this.tokenNodes;
    text.textContent = token;
    const letterWidth = /[\u1100-\uffff]/.test(token) ? 15 : 9; // of a monospaced font, or of a Korean syllable
    const width = token ? 16 + letterWidth * [...token].length : 0;
    frame.setAttribute("width", width);
    if (end !== null) frame.setAttribute("x", end - width);
  }

  text(parent, content, x, y, { anchor = "start", size = 14 } = {}) {
    const node = svgElement("text", { x, y: y + size * 0.35, "text-anchor": anchor, "font-size": size, fill: this.theme.text }, parent);
    node.textContent = content;
    return node;
  }

  symbol(parent, [base, subscript], x, y, anchor = "start", size = 18) {
    const node = this.text(parent, "", x, y - 1, { anchor, size });
    node.setAttribute("class", "symbol");
    svgElement("tspan", { "font-style": "italic" }, node).textContent = base;
    svgElement("tspan", { dy: 4, "font-size": 14 }, node).textContent = subscript;
    return node;
  }
}
