// Curves of a figure of plotly, as SVG: lines and markers over an axis of given ticks and a logarithmic one.
function build(context) {
  const { root } = context;
  const SVG = "http://www.w3.org/2000/svg";
  const TICK = 13, TITLE = 15, LINE = 18; // pixels of the fonts, and of a line of a title
  const DASHES = { dash: [3, 3], dot: [1, 1], dashdot: [3, 1, 1, 1] }; // in widths of the line
  const MARKERS = { // paths round (0, 0), of the size 2
    "x-thin-open": "M-1,-1L1,1M-1,1L1,-1",
    x: "M-1,-1L1,1M-1,1L1,-1",
    "triangle-up": "M0,-1L1,1L-1,1Z",
    "triangle-down": "M0,1L1,-1L-1,-1Z",
  };
  const clip = `unrolled-line-chart-${(unrolled.lineCharts = (unrolled.lineCharts ?? 0) + 1)}`; // id, one a document
  let width = 0, font = "", points = [];
  let place = { left: 0, right: 0, first: 0, spacing: 1, top: 0, bottom: 0 }; // of the axes, in pixels; `first` is the step at `left`

  const svg = node("svg", { role: "img" });
  const pointer = node("path", { "stroke-opacity": 0.4, visibility: "hidden" }); // the step under the pointer
  const save = unrolled.element("button", { type: "button", className: "unrolled-save" });
  root.append(svg, unrolled.element("div", { className: "unrolled-foot" }, save));
  context.on(save, "click", () => unrolled.saveSvg(svg, context.data.name));
  const pen = document.createElement("canvas").getContext("2d");

  function node(tag, attributes, ...children) {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  // plotly's texts have entities for what it would take for tags of its own.
  const plain = (text) => text.replace(/&(lt|gt|amp|#36);/g, (_, name) => ({ lt: "<", gt: ">", amp: "&", "#36": "$" })[name]);
  const label = (text, x, y, attributes = {}) => node("text", { x, y, "font-size": TICK, ...attributes }, text);
  const linesOf = (axis) => (axis.title?.text ?? "").split("<br>").map(plain);

  function measure(text, size) {
    pen.font = `${size}px ${font}`;
    return pen.measureText(text).width;
  }

  // The title of an axis, of which plotly's line breaks are tags.
  const title = (axis, x, y, isTurned) => node("text", { "font-size": TITLE, "text-anchor": "middle", transform: `translate(${x},${y})${isTurned ? " rotate(-90)" : ""}` },
    ...linesOf(axis).map((line, k) => node("tspan", { x: 0, y: k * LINE }, line)));

  // The names of the curves, in as many rows as they need; returns their elements and the height.
  function legend(left, right) {
    const shown = context.data.traces.filter((trace) => trace.showlegend !== false && trace.line);
    let [x, y] = [left, 16];
    const made = shown.flatMap((trace) => {
      const name = plain(trace.name ?? "");
      const wide = 36 + measure(name, TICK) + 18;
      if (x > left && x + wide > right) [x, y] = [left, y + 20];
      const at = x;
      x += wide;
      return [node("path", { d: `M${at},${y - 4}h28`, ...stroke(trace.line) }), label(name, at + 36, y)];
    });
    return [made, y + 12];
  }

  const stroke = ({ color, width: thick = 2, dash }) => ({
    fill: "none", stroke: color, "stroke-width": thick, "stroke-linejoin": "round",
    ...(DASHES[dash] ? { "stroke-dasharray": DASHES[dash].map((part) => part * Math.max(3, thick)).join(" ") } : {}),
  });

  // Where the axes are: `under` is the height of the tick labels below the plot.
  function layOut({ layout }, top) {
    const { xaxis, yaxis } = layout;
    const [first, last] = xaxis.range;
    const left = 44 + 18 * linesOf(yaxis).length;
    const spacing = (width - layout.margin.r - left) / (last - first);
    const widths = xaxis.ticktext.map((text) => measure(plain(text), TICK));
    const gaps = xaxis.tickvals.slice(1).map((value, k) => (value - xaxis.tickvals[k]) * spacing);
    const isCrowded = gaps.some((gap, k) => (widths[k] + widths[k + 1]) / 2 + 8 > gap);
    const isTurned = isCrowded && xaxis.tickangle === undefined;
    const wide = Math.max(TICK, ...widths);
    const every = isCrowded ? Math.ceil((isTurned ? TICK + 3 : wide + 8) / Math.min(...gaps)) : 1;
    const under = (isTurned ? wide : TICK) + 12;
    const bottom = layout.height - under - 8 - LINE * linesOf(xaxis).length;
    place = { left, first, spacing, top, bottom, right: width - layout.margin.r };
    return { every, isTurned, under };
  }

  const X = (value) => place.left + (value - place.first) * place.spacing;

  function draw() {
    const { layout, traces } = context.data;
    const { xaxis, yaxis } = layout;
    font = getComputedStyle(root).fontFamily;
    const [names, top] = legend(44 + 18 * linesOf(yaxis).length, width);
    const { every, isTurned, under } = layOut(context.data, top);
    const { left, right, bottom } = place;
    const [low, high] = yaxis.range;
    const Y = (value) => bottom - ((Math.log10(value) - low) / (high - low)) * (bottom - top);

    const drawn = [node("rect", { width, height: layout.height, fill: layout.paper_bgcolor }), ...names];
    for (let exponent = Math.ceil(low / yaxis.dtick) * yaxis.dtick; exponent <= high; exponent += yaxis.dtick) {
      const y = Y(10 ** exponent);
      drawn.push(node("path", { d: `M${left},${y}H${right}`, stroke: yaxis.gridcolor }));
      drawn.push(label(unrolled.powerText(exponent), left - 6, y + 4, { "text-anchor": "end" }));
    }
    xaxis.tickvals.forEach((value, k) => {
      drawn.push(node("path", { d: `M${X(value)},${top}V${bottom}`, stroke: xaxis.gridcolor }));
      if (k % every === 0) drawn.push(stepLabel(plain(xaxis.ticktext[k]), X(value), isTurned));
    });
    drawn.push(title(xaxis, (left + right) / 2, bottom + under + TITLE, false));
    drawn.push(title(yaxis, TITLE, (top + bottom) / 2, true));
    const inside = { x: left, y: top, width: right - left, height: bottom - top };
    drawn.push(node("clipPath", { id: clip }, node("rect", inside)));
    const curves = node("g", { "clip-path": `url(#${clip})` });
    for (const { x0, line } of layout.shapes ?? []) curves.append(node("path", { d: `M${X(x0)},${top}V${bottom}`, ...stroke(line) }));
    points = [];
    for (const trace of traces) drawTrace(trace, curves, Y);
    drawn.push(curves);
    for (const { x, text, xanchor, xshift } of layout.annotations ?? []) {
      drawn.push(label(plain(text), X(x) + (xshift ?? 0), top + TICK, { "text-anchor": xanchor === "right" ? "end" : "start" }));
    }
    svg.replaceChildren(...drawn, pointer);
    for (const [name, value] of Object.entries({
      height: layout.height, viewBox: `0 0 ${width} ${layout.height}`, fill: layout.font.color, "font-family": font,
      "aria-label": linesOf(yaxis).join(" "),
    })) svg.setAttribute(name, value);
    pointer.setAttribute("stroke", layout.font.color);
  }

  const stepLabel = (text, x, isTurned) => (isTurned
    ? label(text, 0, 0, { transform: `translate(${x + 4},${place.bottom + 8}) rotate(-90)`, "text-anchor": "end" })
    : label(text, x, place.bottom + 8 + TICK, { "text-anchor": "middle" }));

  function drawTrace(trace, group, Y) {
    const { x, y, mode, marker, customdata } = trace;
    let path = "", dots = "", isGap = true;
    y.forEach((value, k) => {
      if (value === null) { isGap = true; return; }
      const [across, up] = [X(x[k]), Y(value)];
      path += `${isGap ? "M" : "L"}${across.toFixed(1)},${up.toFixed(1)}`;
      isGap = false;
      if (mode === "lines+markers") dots += `M${across.toFixed(1)},${up.toFixed(1)}h0`;
      if (mode === "markers") {
        const symbol = Array.isArray(marker.symbol) ? marker.symbol[k] : marker.symbol;
        group.append(node("path", {
          d: MARKERS[symbol], transform: `translate(${across},${up}) scale(${marker.size / 2})`, stroke: marker.color, "vector-effect": "non-scaling-stroke",
          "stroke-width": 2, fill: symbol.startsWith("triangle") ? marker.color : "none",
        }));
      }
      const [number, ...at] = trace.hovertemplate
        .replace(/%\{y[^}]*\}/, () => (value >= 1e-3 && value < 1e4 ? String(Number(value.toPrecision(3))) : unrolled.formatNumber(value, 3)))
        .replace(/%\{customdata\[(\d)\]\}/g, (_, part) => customdata[k][part])
        .split(" · ");
      points.push({ x: x[k], isCurve: mode !== "markers", at: plain(at.join(" · ")), text: `${plain(trace.name)}: ${plain(number)}` });
    });
    if (mode.includes("lines")) group.append(node("path", { d: path, ...stroke(trace.line) }));
    if (dots) group.append(node("path", { d: dots, stroke: trace.line.color, "stroke-width": marker.size, "stroke-linecap": "round" }));
  }

  const pointAt = (step) => {
    pointer.setAttribute("visibility", step === null ? "hidden" : "visible");
    if (step !== null) pointer.setAttribute("d", `M${X(step)},${place.top}V${place.bottom}`);
  };
  const leave = () => {
    pointAt(null);
    unrolled.tooltip(null);
  };
  const show = ({ clientX, clientY }) => {
    const box = svg.getBoundingClientRect();
    const across = ((clientX - box.left) * width) / box.width; // the page may be zoomed
    const step = Math.round(place.first + (across - place.left) / place.spacing);
    const here = points.filter(({ x }) => x === step);
    if (!here.length) {
      leave();
      return;
    }
    pointAt(step);
    unrolled.tooltip([(here.find(({ isCurve }) => isCurve) ?? here[0]).at, ...here.map(({ text }) => text)], clientX, clientY, root);
  };
  context.on(svg, "pointermove", show);
  context.on(svg, "pointerdown", show);
  context.on(svg, "pointerleave", leave);

  const observer = new ResizeObserver(([entry]) => {
    const now = Math.floor(entry.contentRect.width);
    if (now === width) return;
    width = now;
    if (width) draw();
  });
  observer.observe(root);
  return {
    relabel() { save.textContent = context.words.save; },
    update() { if (width) draw(); },
    destroy: () => observer.disconnect(),
  };
}

unrolled.define("line_chart", build);
