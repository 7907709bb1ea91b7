// The strokes of the wiring diagram: wires, boxes, nodes, valves and the numbers on them, each named after its quantity.
const SVG = "http://www.w3.org/2000/svg";
const SYMBOL = {
  input_gate: ["i", "t"], forget_gate: ["f", "t"], candidate: ["g", "t"], output_gate: ["o", "t"],
  reset_gate: ["r", "t"], update_gate: ["z", "t"], preactivation: ["a", "t"],
  cell: ["c", "t"], cell_prev: ["c", "before"], hidden: ["h", "t"], hidden_prev: ["h", "before"], input: ["x", "t"],
};

function element(name, attributes, parent) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes ?? {})) node.setAttribute(key, value);
  parent?.append(node);
  return node;
}

/** A polyline with rounded corners. */
function route(points, radius = 10) {
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

/** The strokes of a diagram. Each part carries the name of its quantity; what changes by the step is kept in `live`. */
class Drawing {
  /** `colours` is {quantity: hex}; `before` is the index of the step that the state comes from: t−1, or t+1 in a reversed layer. */
  constructor(svg, { theme, colours, words, before }) {
    Object.assign(this, { svg, theme, colours, words, before });
    this.box_fill = theme.dark ? "rgba(255,255,255,0.05)" : "rgba(49,51,63,0.035)";
    this.layers = { frame: element("g", {}, svg), wires: element("g", {}, svg), parts: element("g", {}, svg) };
    this.live = { wires: [], chips: [], valves: [] };
  }

  colour(part) {
    return this.colours[part.replace("_prev", "")] ?? this.theme.text;
  }

  group(part, layer) {
    const g = element("g", { "data-part": part }, this.layers[layer]);
    element("title", {}, g).textContent = this.words.names[part] ?? "";
    return g;
  }

  frame(x, y, width, height) {
    element("rect", { x, y, width, height, rx: 18, fill: this.theme.background }, this.layers.frame);
    element("rect", { x, y, width, height, rx: 18, fill: this.box_fill, stroke: this.theme.text, "stroke-opacity": 0.35,
      "stroke-width": 1.5 }, this.layers.frame);
  }

  /** A wire of a quantity; `value` turns the slots' numbers into the one that runs along it. */
  wire(part, points, value, { arrow = false } = {}) {
    const g = this.group(part, "wires");
    const colour = this.colour(part);
    const d = route(points);
    element("path", { d, fill: "none", stroke: "transparent", "stroke-width": 18, "pointer-events": "stroke" }, g);
    const path = element("path", { d, fill: "none", stroke: colour, class: "wire", "stroke-width": 2 }, g);
    this.live.wires.push({ path, value: value ?? ((v) => v[part]) });
    if (arrow) {
      const [[x0, y0], [x1, y1]] = points.slice(-2);
      const angle = (Math.atan2(y1 - y0, x1 - x0) * 180) / Math.PI;
      element("path", { d: "M12,0L-1,7.5L-1,-7.5Z", fill: colour, transform: `translate(${x1},${y1}) rotate(${angle})` }, g);
    }
  }

  /** A gap in what was drawn before, for a wire that crosses without touching. */
  bridge(x, y, vertical = true) {
    const [w, h] = vertical ? [14, 12] : [12, 14];
    const at = { x: x - w / 2, y: y - h / 2, width: w, height: h };
    element("rect", { ...at, fill: this.theme.background }, this.layers.wires);
    element("rect", { ...at, fill: this.box_fill }, this.layers.wires);
  }

  dot(part, x, y) {
    element("circle", { cx: x, cy: y, r: 4.5, fill: this.colour(part) }, this.group(part, "parts"));
  }

  /** A layer of the network (sigma, tanh: with weights) as a rectangle; a function of one number as a pill. */
  box(part, label, x, y, { width, pill = false } = {}) {
    const size = label.length > 6 ? 13 : 15;
    width ??= Math.max(50, 10 + 0.52 * size * label.length);
    const g = this.group(part, "parts");
    const colour = this.colour(part);
    const height = pill ? 24 : 30;
    const at = { x: x - width / 2, y: y - height / 2, width, height, rx: pill ? 12 : 5 };
    element("rect", { ...at, fill: this.theme.background, class: "ground" }, g);
    element("rect", { ...at, fill: colour, "fill-opacity": pill ? 0 : 0.18, stroke: colour, "stroke-width": 1.8 }, g);
    this.text(g, label, x, y, { anchor: "middle", size });
    if (!pill) {
      g.setAttribute("tabindex", "0");
      g.setAttribute("role", "button");
      g.setAttribute("aria-label", this.words.names[part] ?? label);
    }
  }

  /** A matrix that stands on a wire of its own. */
  weights(part, symbol, x, y) {
    this.box(part, "", x, y, { width: 44 });
    this.symbol(this.group(part, "parts"), part, symbol, x, y, "middle");
  }

  node(part, sign, x, y) {
    const g = this.group(part, "parts");
    element("circle", { cx: x, cy: y, r: 11, fill: this.theme.background, class: "ground" }, g);
    element("circle", { cx: x, cy: y, r: 11, fill: "none", stroke: this.colour(part), "stroke-width": 1.8 }, g);
    const r = 5;
    const d = sign === "+" ? `M${x - r},${y}H${x + r}M${x},${y - r}V${y + r}`
      : `M${x - r * 0.8},${y - r * 0.8}l${r * 1.6},${r * 1.6}m0,${-r * 1.6}l${-r * 1.6},${r * 1.6}`;
    element("path", { d, stroke: this.theme.text, "stroke-width": 1.8, "stroke-linecap": "round" }, g);
  }

  /** Two blades across a wire that leave it open by the gate's value: 0 shut, 1 open. */
  valve(part, x, y, { across = "y", value } = {}) {
    const g = this.group(part, "parts");
    const inner = element("g", { transform: `translate(${x},${y})${across === "x" ? " rotate(90)" : ""}` }, g);
    const half = 19;
    const colour = this.colour(part);
    element("rect", { x: -8, y: -half, width: 16, height: 2 * half, fill: "transparent" }, inner);
    const blades = [-1, 1].map((side) => {
      const blade = element("rect", { x: -4.5, y: side < 0 ? -half : 0, width: 9, height: half, fill: colour, class: "blade" }, inner);
      blade.style.transformOrigin = `0 ${side * half}px`;
      return blade;
    });
    for (const side of [-1, 1]) {
      element("path", { d: `M-8,${side * half}H8`, stroke: colour, "stroke-width": 3, "stroke-linecap": "round" }, inner);
    }
    element("path", { d: `M-4.5,${-half}V${half}M4.5,${-half}V${half}`, stroke: colour, "stroke-opacity": 0.45 }, inner);
    this.live.valves.push({ blades, value: value ?? ((v) => v[part]) });
  }

  /** A number in a gap of its wire, with the quantity's symbol before it if there is room. */
  chip(part, slot, x, y, { symbol, value, width } = {}) {
    const g = this.group(part, "parts");
    const w = width ?? (symbol ? 72 : 54);
    const at = { x: x - w / 2, y: y - 11, width: w, height: 22, rx: 5 };
    element("rect", { ...at, fill: this.theme.background, class: "ground" }, g);
    element("rect", { ...at, fill: this.box_fill, class: "ground" }, g);
    const edge = w < 72 ? 0 : 3; // a narrow one needs all of its width for a symbol and a minus
    if (symbol) this.symbol(g, part, symbol, x - w / 2 + edge, y);
    const text = this.text(g, "", symbol ? x + w / 2 - edge : x, y, { anchor: symbol ? "end" : "middle" });
    this.live.chips.push({ text, slot, value });
  }

  /** The name and number of what enters or leaves: the symbol above its wire, the number below. */
  terminal(part, slot, x, y, { anchor = "start" } = {}) {
    const g = this.group(part, "parts");
    element("rect", { x: anchor === "start" ? x - 4 : x - 52, y: y - 30, width: 56, height: 60, fill: "transparent" }, g);
    this.symbol(g, part, SYMBOL[part], x, y - 17, anchor, 18);
    const text = this.text(g, "", x, y + 18, { anchor });
    this.live.chips.push({ text, slot });
  }

  /** The token that is read, framed; `say` writes it. */
  token(x, y) {
    const g = this.group("input", "parts");
    const frame = element("rect", { x, y: y - 11, height: 24, rx: 5, fill: "none", stroke: this.theme.text, "stroke-opacity": 0.5 }, g);
    const text = this.text(g, "", x + 8, y);
    text.setAttribute("font-family", this.theme.code);
    this.said = { frame, text };
  }

  say(token) {
    this.said.text.textContent = token;
    const wide = /[\u1100-\uffff]/.test(token) ? 15 : 9; // one column of a fixed-width font, or a Korean syllable's
    this.said.frame.setAttribute("width", token ? 16 + wide * [...token].length : 0);
  }

  text(parent, content, x, y, { anchor = "start", size = 14 } = {}) {
    const node = element("text", { x, y: y + size * 0.35, "text-anchor": anchor, "font-size": size, fill: this.theme.text }, parent);
    node.textContent = content;
    return node;
  }

  symbol(parent, part, [base, below], x, y, anchor = "start", size = 18) {
    const node = this.text(parent, "", x, y - 1, { anchor, size });
    node.setAttribute("class", "symbol");
    element("tspan", { "font-style": "italic" }, node).textContent = base;
    element("tspan", { dy: 4, "font-size": 14 }, node).textContent = below === "before" ? this.before : below;
    return node;
  }
}
