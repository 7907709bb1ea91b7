// A recurrent network unrolled over its steps: inputs below, states in the middle, outputs above, with the symbols of a real run.
function build(context) {
  const { root } = context;
  const SVG = "http://www.w3.org/2000/svg";
  const HEIGHT = 190, CELL_Y = 96, INPUT_Y = 164, OUTPUT_Y = 28, BOX = 30;
  let drawn = "";

  const make = (name, attributes, parent, text) => {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    parent.append(node);
    return node;
  };

  function draw() {
    const { inputs, outputs, fed, label } = context.data;
    const textWidth = (text) => [...(text ?? "")].reduce((sum, letter) => sum + (/[\u1100-\uffff]/.test(letter) ? 15 : 9), 0);
    const pitch = Math.max(44, ...[...inputs, ...outputs].map((text) => textWidth(text) + 22));
    const width = pitch * inputs.length + 8;
    const svg = document.createElementNS(SVG, "svg");
    for (const [name, value] of Object.entries({ viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": label })) svg.setAttribute(name, value);
    svg.style.maxWidth = `${width}px`;
    const marker = make("marker", { id: `arrow-${context.data.view_id}`, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" }, make("defs", {}, svg));
    make("path", { d: "M0,0L8,4L0,8z", class: "head" }, marker);
    const arrow = (d, dashed) => make("path", { d, class: dashed ? "arrow fed" : "arrow", "marker-end": `url(#arrow-${context.data.view_id})` }, svg);
    const chip = (text, x, y, kind) => {
      const w = Math.max(30, textWidth(text) + 14);
      make("rect", { x: x - w / 2, y: y - BOX / 2, width: w, height: BOX, rx: 5, class: kind }, svg);
      make("text", { x, y: y + 5, "text-anchor": "middle" }, svg, text);
    };
    inputs.forEach((text, k) => {
      const x = 4 + (k + 0.5) * pitch;
      make("rect", { x: x - 15, y: CELL_Y - 15, width: 30, height: 30, rx: 6, class: "cell" }, svg);
      if (k + 1 < inputs.length) arrow(`M${x + 16},${CELL_Y}H${x + pitch - 17}`);
      if (text !== null) {
        chip(text, x, INPUT_Y, "input");
        arrow(`M${x},${INPUT_Y - BOX / 2 - 1}V${CELL_Y + 18}`);
      }
      if (outputs[k] !== null) {
        chip(outputs[k], x, OUTPUT_Y, "output");
        arrow(`M${x},${CELL_Y - 16}V${OUTPUT_Y + BOX / 2 + 3}`);
        if (fed && k + 1 < inputs.length) {
          const [down, up] = [CELL_Y + 36, CELL_Y - 36];
          arrow(`M${x},${up}H${x + pitch / 2 + 2}V${down}H${x + pitch - 6}V${CELL_Y + 18}`, true);
        }
      }
    });
    root.replaceChildren(svg);
  }

  return {
    update() {
      const next = JSON.stringify(context.data);
      if (next !== drawn) draw();
      drawn = next;
    },
  };
}

unrolled.define("sequence_shape", build);
