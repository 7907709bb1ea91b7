// The states of every layer and direction: time across, units up. A button for each returned tensor marks where its numbers are.
function build(context) {
  const { root } = context;
  let drawn = "", chosen = 0, width = 0;

  const make = unrolled.svgElement;

  let bound = 1;
  const indexOf = (value) => Math.max(0, Math.min(255, Math.round(((value / bound + 1) / 2) * 255)));
  const colourOf = (value) => (Number.isFinite(value) ? context.data.colours[indexOf(value)] : context.data.not_finite);

  function grid(block, number) {
    const { labels, masked, words } = { ...context.data, words: context.words };
    const values = block.numbers, steps = labels.length, { units } = block;
    const beside = context.data.blocks.filter(({ level, direction }) => level === block.level && direction === block.direction).length;
    const all = (root.clientWidth || 900) * (root.clientWidth > 1100 && context.data.tensors.length ? 0.6 : 1);
    const room = Math.max(240, all / beside - 70);
    const w = Math.max(7, Math.min(66, Math.floor(room / steps)));
    const h = units > 24 ? 9 : units > 12 ? 14 : 24;
    const [left, top] = [34, 26];
    const figure = unrolled.element("figure", {}, unrolled.element("figcaption", { text: block.title }));
    const [allWidth, allHeight] = [left + steps * w + 10, top + units * h + 26];
    figure.style.width = `${Math.max(allWidth, 330)}px`;
    const svg = make("svg", { viewBox: `0 0 ${allWidth} ${allHeight}`, width: allWidth, role: "img", "aria-label": unrolled.fillTemplate(words.states, { layer: block.title }) }, figure);
    // the order in which the layer takes its inputs
    const [from, to] = block.backwards ? [left + steps * w, left] : [left, left + steps * w];
    const sign = block.backwards ? 1 : -1;
    make("path", { d: `M${from},12H${to + sign * 7}`, class: "run" }, svg);
    make("path", { d: `M${to},12l${sign * 9},-5v10z`, class: "head" }, svg);
    const tensor = context.data.tensors[chosen];
    const marks = (tensor?.marks ?? []).filter((mark) => mark.block === number);
    for (const mark of marks) figure.firstChild.append(unrolled.element("code", { text: `${tensor.name}${mark.part}` }));
    const isMarked = (t) => marks.some((mark) => mark.all || t === block.last);
    for (let t = 0; t < steps; t++) {
      for (let k = 0; k < units; k++) {
        const value = values[t * units + k];
        const [x, y] = [left + t * w, top + (units - 1 - k) * h];
        const colour = colourOf(value);
        const group = make("g", { class: marks.length && !isMarked(t) ? "off" : "" }, svg);
        const cell = make("rect", { x, y, width: w - 1, height: h - 1, fill: colour, "data-quantity": block.state, "data-layer": block.layer, "data-unit": k, "data-step": t, "data-value": String(value) }, group);
        make("title", {}, cell, unrolled.fillTemplate(words.cell_value, { unit: k, step: t + 1, value: digits(value) }) + (masked[t] ? ` · ${words.masked}` : ""));
        if (w >= 44 && h >= 20) make("text", { x: x + w / 2, y: y + h / 2 + 4, "text-anchor": "middle", style: `fill: ${unrolled.contrastColour(colour)}; pointer-events: none` }, group, Math.abs(value) < 10 ? value.toFixed(4).replace("-", "−") : unrolled.formatNumber(value));
        if (masked[t]) make("path", { d: `M${x},${y + h - 1}L${x + w - 1},${y}`, class: "hatch" }, group);
      }
      const every = Math.max(1, Math.ceil(24 / w));
      const label = labels[t] || "–";
      const fits = [...label].length * 8 < w;
      if (t % every === 0) make("text", { x: left + (t + 0.5) * w, y: top + units * h + 16, "text-anchor": "middle", class: "muted" }, svg, fits || w < 18 ? (fits ? label : String(t + 1)) : `${[...label].slice(0, Math.max(1, Math.floor(w / 9) - 1)).join("")}…`);
    }
    for (let k = 0; k < units; k += Math.ceil(14 / h)) make("text", { x: left - 6, y: top + (units - 1 - k) * h + h / 2 + 4, "text-anchor": "end", class: "muted" }, svg, String(k));
    for (const mark of marks) {
      const [x, columns] = mark.all ? [left, steps] : [left + block.last * w, 1];
      make("rect", { x: x - 1, y: top - 1, width: columns * w + 1, height: units * h + 1, rx: 3, class: "mark", "data-mark": tensor.name, "data-from": mark.all ? 0 : block.last, "data-count": columns }, svg);
    }
    return figure;
  }

  // The shortest number that is this float32, as NumPy prints it.
  function digits(value) {
    if (!Number.isFinite(value)) return unrolled.formatNumber(value);
    let precision = 1;
    while (precision < 9 && Math.fround(Number(value.toPrecision(precision))) !== value) precision++;
    return String(Number(value.toPrecision(precision))).replace("-", "−");
  }

  // The first numbers of a tensor: a line for each of its last axis's rows.
  function values({ numbers, shape }) {
    const columns = shape.at(-1), rows = numbers.length / columns;
    const lines = [];
    for (let k = 0; k < Math.min(rows, 4); k++) {
      const line = Array.from(numbers.slice(k * columns, k * columns + Math.min(columns, 6)), digits).join(" ");
      lines.push(unrolled.element("code", { text: line + (columns > 6 ? " …" : "") }));
    }
    return unrolled.element("div", { className: "numbers" }, ...lines, rows > 4 ? unrolled.element("code", { text: "⋮" }) : "");
  }

  function draw() {
    const { blocks, tensors } = context.data;
    for (const each of [...blocks, ...tensors]) each.numbers = unrolled.float32(each.values);
    bound = Math.max(1e-12, ...blocks.map(({ numbers }) => numbers.reduce((most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most), 0)));
    root.dataset.theme = context.data.theme;
    const libraries = [...new Set(tensors.map(({ library }) => library))];
    const buttons = unrolled.element("div", { className: "tensors" }, ...libraries.map((library) =>
      unrolled.element("div", { className: "library", role: "group", "aria-label": library }, unrolled.element("span", { text: library }),
        ...tensors.map((tensor, k) => [tensor, k]).filter(([tensor]) => tensor.library === library).map(([tensor, k]) => {
          const button = unrolled.element("button", { type: "button", text: `${tensor.name} (${tensor.shape.join(", ")})`, "aria-pressed": String(k === chosen), "data-tensor": tensor.name });
          button.addEventListener("click", () => {
            chosen = k;
            draw();
            context.report("tensor", { name: `${tensor.library}.${tensor.name}`, at: performance.now() }); // `at`: the same may be chosen again
          });
          return button;
        }))));
    const rows = new Map();
    blocks.forEach((block, k) => {
      const row = `${block.level} ${block.direction}`;
      if (!rows.has(row)) rows.set(row, unrolled.element("div", { className: "pair" }));
      if (block.heading) rows.get(row).append(unrolled.element("p", { className: "unrolled-heading", text: block.heading }));
      rows.get(row).append(grid(block, k));
    });
    const bar = unrolled.element("i");
    bar.style.background = unrolled.gradient(context.data.colours);
    const scale = unrolled.element("div", { className: "unrolled-legend" }, unrolled.formatNumber(-bound, 3), bar, unrolled.formatNumber(bound, 3));
    const detail = unrolled.element("div", { className: "detail" });
    const tensor = tensors[chosen];
    if (tensor) {
      const axes = tensor.axes.map((axis, k) => `${axis} ${tensor.shape[k]}`).join(" × ");
      detail.append(
        unrolled.element("div", {}, unrolled.element("code", { text: `${tensor.name}: (${tensor.shape.join(", ")})` }), unrolled.element("span", { text: axes }), unrolled.element("span", { text: tensor.meaning }),
          unrolled.element("span", { className: "unrolled-muted", text: context.words.turn }),
          values(tensor),
          tensor.numbers.length > MAX_CELLS ? unrolled.element("span", { className: "unrolled-muted", text: unrolled.fillTemplate(context.words.more, { count: tensor.numbers.length }) }) : ""),
        tensorBox(tensor, tensor.numbers, colourOf, make, context.words),
      );
    }
    if (!tensors.length) return root.replaceChildren(unrolled.element("div", { className: "blocks" }, ...rows.values(), scale));
    root.replaceChildren(buttons, unrolled.element("div", { className: "halves" }, unrolled.element("div", { className: "blocks" }, ...rows.values(), scale), detail));
  }

  const observer = new ResizeObserver(() => {
    if (!drawn || Math.abs(root.clientWidth - width) < 40) return;
    width = root.clientWidth;
    draw();
  });
  observer.observe(root);

  return {
    update() {
      const { chosen: wanted, ...others } = context.data;
      const next = JSON.stringify(others);
      if (next !== drawn || wanted !== chosen) {
        drawn = next;
        width = root.clientWidth;
        chosen = wanted;
        draw();
      }
    },
    destroy: () => observer.disconnect(),
  };
}

unrolled.define("returned_states", build);
