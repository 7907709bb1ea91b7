// The source side of the drawing: every symbol's key, score, weight and value, one column a symbol.
unrolled.decodingSource ??= (context) => {
  const { root, store } = context;
  const { attending } = unrolled;
  const NAMES = ["token", "key", "score", "weight", "value"];
  const names = {}; // row -> its words beside the drawing
  const ticks = Array.from({ length: 5 }, () => unrolled.element("i", { className: "unrolled-quiet" })); // of the scores, of the weights
  const gutter = unrolled.element("div", { className: "unrolled-decoding-names" }, ...NAMES.map((name) =>
    (names[name] = unrolled.element("div", { "data-row": name }, unrolled.element("b"), unrolled.element("span", { className: "unrolled-quiet" })))), ...ticks);
  const columns = unrolled.columns(context, paint);
  const element = unrolled.element("div", { className: "unrolled-decoding-source" }, gutter, columns.element);
  let rows = null; // row -> {top, height} in CSS pixels
  let images = {};
  let scale = { low: 0, high: 1 };
  let wide = true;

  // Vectors, one a column, as pixels: {shape: [Ts, D]} -> canvas Ts x D.
  function picture({ shape: [count, size], data }) {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [count, size];
    const image = new ImageData(count, size);
    const pixels = new Uint32Array(image.data.buffer);
    const table = unrolled.raster.inks(context.palette.signed);
    let most = 0;
    for (const value of data) if (Math.abs(value) > most && Math.abs(value) < Infinity) most = Math.abs(value);
    const span = { low: -most || -1, high: most || 1 };
    for (let k = 0; k < data.length; k++) {
      const level = unrolled.level(data[k], span);
      pixels[(k % size) * count + Math.floor(k / size)] = table[level < 0 ? 256 : level];
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
    return { canvas, span };
  }

  function layout(room, places) {
    const { arrays, options } = store.trace;
    rows = places;
    wide = context.width >= 860;
    element.style.gridTemplateColumns = `${wide ? 150 : 112}px max-content`;
    columns.layout(store.trace.units, room - (wide ? 150 : 112), rows.height, { most: 56 });
    gutter.style.height = `${rows.height}px`;
    for (const name of NAMES) {
      const [title, more] = names[name].children;
      title.textContent = context.words.rows[name];
      const said = context.words.said[name];
      more.textContent = name === "key" && options.scores_from
        ? unrolled.fill(context.words.unused, { name: options.scores_from })
        : (said[options[name === "score" ? "scored" : "score"]] ?? said.all);
      names[name].style.top = `${rows[name].top + rows[name].height / 2}px`;
    }
    images = { key: picture(arrays.source_key), value: picture(arrays.source_value) };
    let [low, high] = [0, 0];
    for (const value of arrays.attention_score.data) {
      if (!Number.isFinite(value)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    scale = { low, high: high > low ? high : low + 1 };
    const { score, weight } = rows;
    const marks = [[0, zero(score)], [scale.high, score.top], [scale.low, score.top + score.height], [1, weight.top], [0, weight.top + weight.height]];
    marks.forEach(([value, y], k) => {
      ticks[k].textContent = Number.isInteger(value) ? String(value) : unrolled.number(value, 2);
      ticks[k].style.top = `${y}px`;
      ticks[k].hidden = marks.slice(0, k).some(([, other]) => Math.abs(other - y) < 13);
    });
  }

  function paint(pen, first, last) {
    if (!rows || !store.trace) return;
    const { theme, palette } = context;
    const [weights, scores, chosen] = [attending.weights(store), attending.scores(store), attending.source(store)];
    frames(pen, theme);
    for (let k = first; k < last; k++) {
      const [x, cell] = [columns.x(k), columns.cell];
      const weight = weights[k];
      token(pen, k, x, cell, weight, theme, palette);
      const key = rows.key, value = rows.value;
      pen.imageSmoothingEnabled = false;
      pen.drawImage(images.key.canvas, k, 0, 1, images.key.canvas.height, x + 1, key.top, cell - 2, key.height);
      pen.globalAlpha = 0.07 + 0.93 * (weight || 0);
      pen.drawImage(images.value.canvas, k, 0, 1, images.value.canvas.height, x + 1, value.top, cell - 2, value.height);
      pen.globalAlpha = 1;
      score(pen, x, cell, scores[k], theme);
      bar(pen, x, cell, weight, palette);
      if (scores[k] === -Infinity) cross(pen, x, cell, theme);
    }
    mark(pen, chosen, theme);
    numbers(pen, weights, first, last, theme);
  }

  function frames(pen, theme) {
    pen.fillStyle = theme.text;
    pen.globalAlpha = 0.16;
    const width = columns.cell * columns.count;
    const { score: s, weight: w } = rows;
    pen.fillRect(0, zero(s), width, 1);
    pen.fillRect(0, w.top + w.height, width, 1);
    pen.fillRect(0, w.top, width, 1);
    pen.globalAlpha = 1;
  }

  const zero = ({ top, height }) => Math.round(top + (scale.high / (scale.high - scale.low)) * height);

  function token(pen, k, x, cell, weight, theme, palette) {
    const { top, height } = rows.token;
    const tint = unrolled.tint(weight, { name: "unit", low: 0, high: 1 }, palette);
    pen.fillStyle = tint;
    pen.beginPath();
    pen.roundRect(x + 1, top, cell - 2, height, 4);
    pen.fill();
    pen.strokeStyle = theme.text;
    pen.globalAlpha = 0.2;
    pen.lineWidth = 1;
    pen.stroke();
    pen.globalAlpha = 1;
    pen.fillStyle = tint === "transparent" ? theme.text : unrolled.ink(tint);
    pen.font = `${Math.min(18, Math.max(13, cell - 2))}px ${theme.code}, ${theme.font}`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.fillText(unrolled.token(store.trace.options.source[k]), x + cell / 2, top + height / 2 + 1, cell);
  }

  function score(pen, x, cell, value, theme) {
    if (!Number.isFinite(value)) return;
    const { top, height } = rows.score;
    const at = top + ((scale.high - value) / (scale.high - scale.low)) * height;
    const from = zero(rows.score);
    pen.fillStyle = theme.text;
    pen.globalAlpha = 0.55;
    pen.fillRect(x + cell * 0.18, Math.min(at, from), cell * 0.64, Math.max(Math.abs(at - from), 1));
    pen.globalAlpha = 1;
  }

  function bar(pen, x, cell, weight, palette) {
    const { top, height } = rows.weight;
    pen.fillStyle = palette.quantity.attention_weight;
    const tall = (weight || 0) * height;
    pen.fillRect(x + cell * 0.12, top + height - tall, cell * 0.76, tall);
  }

  // A masked symbol cannot be read.
  function cross(pen, x, cell, theme) {
    const { top, height } = rows.score;
    const [cx, cy, r] = [x + cell / 2, top + height / 2, Math.min(6, cell / 3)];
    pen.strokeStyle = theme.text;
    pen.lineWidth = 1.75;
    pen.beginPath();
    for (const side of [-1, 1]) {
      pen.moveTo(cx - r, cy - side * r);
      pen.lineTo(cx + r, cy + side * r);
    }
    pen.stroke();
  }

  // The largest weights as numbers, where there is room for them.
  function numbers(pen, weights, first, last, theme) {
    const { top, height } = rows.weight;
    pen.font = `600 13px ${theme.font}`;
    pen.textAlign = "center";
    pen.textBaseline = "bottom";
    pen.fillStyle = theme.text;
    pen.strokeStyle = theme.background; // a number stands before the lines around its column
    pen.lineWidth = 4;
    const half = pen.measureText("0.88").width / 2;
    const taken = [];
    const order = Array.from({ length: last - first }, (_, k) => first + k).filter((k) => weights[k] >= 0.045).sort((a, b) => weights[b] - weights[a]);
    const edge = columns.cell * columns.count;
    for (const k of order) {
      const at = Math.min(Math.max(columns.x(k) + columns.cell / 2, half), edge - half);
      if (taken.some((other) => Math.abs(other - at) < 2 * half + 4)) continue;
      taken.push(at);
      const y = top + height - weights[k] * height - 2;
      pen.strokeText(weights[k].toFixed(2), at, y);
      pen.fillText(weights[k].toFixed(2), at, y);
    }
  }

  function mark(pen, chosen, theme) {
    const x = columns.x(chosen);
    pen.strokeStyle = theme.accent;
    pen.lineWidth = attending.pinned(store) === null ? 1.5 : 3;
    pen.setLineDash(attending.pinned(store) === null ? [4, 3] : []);
    pen.beginPath();
    pen.roundRect(x, rows.token.top - 2, columns.cell, rows.value.top + rows.value.height - rows.token.top + 4, 5);
    pen.stroke();
    pen.setLineDash([]);
  }

  const lines = (k) => {
    const { words } = context;
    return [
      unrolled.fill(words.weight_at, { value: unrolled.number(attending.weights(store)[k]) }),
      unrolled.fill(words.score_at, { value: unrolled.number(attending.scores(store)[k]) }),
      unrolled.fill(words.source_at, { n: k + 1, token: unrolled.token(store.trace.options.source[k]) }),
    ];
  };
  context.on(columns.element, "pointermove", (event) => {
    const { column } = store.trace ? columns.at(event) : { column: -1 };
    if (column < 0) return unrolled.note(null);
    unrolled.note(lines(column), event.clientX, event.clientY, root);
  });
  context.on(columns.element, "pointerleave", () => unrolled.note(null));
  context.on(columns.element, "click", (event) => {
    const { column } = store.trace ? columns.at(event) : { column: -1 };
    if (column >= 0) attending.pin(store, column);
  });

  return {
    element,
    names: gutter,
    layout,
    frame() {
      if (attending.pinned(store) === null) columns.show(attending.strongest(attending.weights(store)));
      columns.paint();
    },
    span: () => images,
    canvas: () => columns.canvas,
  };
};
