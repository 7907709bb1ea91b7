// The source side of the drawing: a column for each source symbol, with its key, score, weight and value.
unrolled.decoderSource ??= (context) => {
  const { root, store } = context;
  const selection = unrolled.attentionSelection;
  const ROWS = ["token", "key", "score", "weight", "value"];
  const names = {}; // row -> its name and explanation, left of the drawing
  const ticks = Array.from({ length: 5 }, () => unrolled.element("i", { className: "unrolled-muted" })); // of the scores and the weights
  const nameColumn = unrolled.element("div", { className: "unrolled-decoder-row-names" }, ...ROWS.map((name) =>
    (names[name] = unrolled.element("div", { "data-row": name }, unrolled.element("b"), unrolled.element("span", { className: "unrolled-muted" })))), ...ticks);
  const columns = unrolled.columns(context, paint);
  const element = unrolled.element("div", { className: "unrolled-decoder-source" }, nameColumn, columns.element);
  let rows = null; // row -> {top, height} in CSS pixels
  let images = {};
  let scale = { low: 0, high: 1 }; // of the scores

  // Vectors as the columns of an image: {shape: [Ts, D]} -> canvas Ts x D, and the scale of its colours.
  function vectorImage({ shape: [count, size], data }) {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [count, size];
    const image = new ImageData(count, size);
    const pixels = new Uint32Array(image.data.buffer);
    const table = unrolled.raster.colourTable(context.palette.signed, context.palette.not_finite);
    let max = 0;
    for (const value of data) if (Math.abs(value) > max && Math.abs(value) < Infinity) max = Math.abs(value);
    const range = { low: -max || -1, high: max || 1 };
    for (let k = 0; k < data.length; k++) {
      const level = unrolled.colourIndex(data[k], range);
      pixels[(k % size) * count + Math.floor(k / size)] = table[level < 0 ? 256 : level];
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
    return { canvas, range };
  }

  const nameWidth = () => (context.width >= 860 ? 168 : 128);

  // Write the name and explanation of each row; return their heights.
  function nameRows() {
    const { options } = store.trace;
    element.style.gridTemplateColumns = `${nameWidth()}px max-content`;
    for (const name of ROWS) {
      const [title, explanation] = names[name].children;
      title.textContent = context.words.rows[name];
      const explanations = context.words.explanations[name];
      explanation.textContent = name === "key" && options.scores_from
        ? unrolled.fillTemplate(context.words.unused, { name: options.scores_from })
        : (explanations[options[name === "score" ? "scored" : "score"]] ?? explanations.all);
      if (name === "score" && options.temperature !== 1) {
        explanation.textContent = unrolled.fillTemplate(context.words.divided, { score: explanation.textContent, value: options.temperature });
      }
    }
    return Object.fromEntries(ROWS.map((name) => [name, names[name].offsetHeight]));
  }

  function layout(room, rowPlaces) {
    const { arrays } = store.trace;
    rows = rowPlaces;
    columns.layout(store.trace.units, room - nameWidth(), rows.height, { max: 56 });
    nameColumn.style.height = `${rows.height}px`;
    for (const name of ROWS) names[name].style.top = `${rows[name].top + rows[name].height / 2}px`;
    images = { key: vectorImage(arrays.source_key), value: vectorImage(arrays.source_value) };
    let [low, high] = [0, 0];
    for (const value of arrays.attention_score.data) {
      if (!Number.isFinite(value)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    scale = { low, high: high > low ? high : low + 1 };
    const { score, weight } = rows;
    const tickValues = [[0, zeroY(score)], [scale.high, score.top], [scale.low, score.top + score.height], [1, weight.top], [0, weight.top + weight.height]];
    tickValues.forEach(([value, y], k) => {
      ticks[k].textContent = Number.isInteger(value) ? String(value) : unrolled.formatNumber(value, 2);
      ticks[k].style.top = `${y}px`;
      ticks[k].hidden = tickValues.slice(0, k).some(([, other]) => Math.abs(other - y) < 13);
    });
  }

  function paint(pen, first, last) {
    if (!rows || !store.trace) return;
    const { theme, palette } = context;
    const [weights, scores, chosen] = [selection.weights(store), selection.scores(store), selection.source(store)];
    drawAxes(pen, theme);
    for (let k = first; k < last; k++) {
      const [x, cell] = [columns.x(k), columns.cell];
      const weight = weights[k];
      drawToken(pen, k, x, cell, weight, theme, palette);
      const key = rows.key, value = rows.value;
      pen.imageSmoothingEnabled = false;
      pen.drawImage(images.key.canvas, k, 0, 1, images.key.canvas.height, x + 1, key.top, cell - 2, key.height);
      pen.globalAlpha = 0.07 + 0.93 * (Number.isFinite(weight) ? weight : 1);
      pen.drawImage(images.value.canvas, k, 0, 1, images.value.canvas.height, x + 1, value.top, cell - 2, value.height);
      pen.globalAlpha = 1;
      drawScore(pen, x, cell, scores[k], theme);
      drawWeight(pen, x, cell, weight, palette);
      if (scores[k] === -Infinity) drawMasked(pen, x, cell, theme);
    }
    drawSelection(pen, chosen, theme);
    drawWeightNumbers(pen, weights, first, last, theme);
  }

  function drawAxes(pen, theme) {
    pen.fillStyle = theme.text;
    pen.globalAlpha = 0.16;
    const width = columns.cell * columns.count;
    const { score: s, weight: w } = rows;
    pen.fillRect(0, zeroY(s), width, 1);
    pen.fillRect(0, w.top + w.height, width, 1);
    pen.fillRect(0, w.top, width, 1);
    pen.globalAlpha = 1;
  }

  const zeroY = ({ top, height }) => Math.round(top + (scale.high / (scale.high - scale.low)) * height);

  function drawToken(pen, k, x, cell, weight, theme, palette) {
    const { top, height } = rows.token;
    const colour = unrolled.colourOf(weight, { name: "unit", low: 0, high: 1 }, palette);
    pen.fillStyle = colour;
    pen.beginPath();
    pen.roundRect(x + 1, top, cell - 2, height, 4);
    pen.fill();
    pen.strokeStyle = theme.text;
    pen.globalAlpha = 0.2;
    pen.lineWidth = 1;
    pen.stroke();
    pen.globalAlpha = 1;
    pen.fillStyle = colour === "transparent" ? theme.text : unrolled.contrastColour(colour);
    pen.font = `${Math.min(18, Math.max(13, cell - 2))}px ${theme.code}, ${theme.font}`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.fillText(unrolled.displayToken(store.trace.options.source[k]), x + cell / 2, top + height / 2 + 1, cell);
  }

  function drawScore(pen, x, cell, value, theme) {
    if (value === -Infinity) return; // masked
    const { top, height } = rows.score;
    if (!Number.isFinite(value)) return drawNotFinite(pen, x, cell, top, height);
    const y = top + ((scale.high - value) / (scale.high - scale.low)) * height;
    const zero = zeroY(rows.score);
    pen.fillStyle = theme.text;
    pen.globalAlpha = 0.55;
    pen.fillRect(x + cell * 0.18, Math.min(y, zero), cell * 0.64, Math.max(Math.abs(y - zero), 1));
    pen.globalAlpha = 1;
  }

  function drawNotFinite(pen, x, cell, top, height) {
    pen.fillStyle = context.palette.not_finite;
    pen.fillRect(x + cell * 0.12, top, cell * 0.76, height);
  }

  function drawWeight(pen, x, cell, weight, palette) {
    const { top, height } = rows.weight;
    pen.fillStyle = palette.quantity.attention_weight;
    if (!Number.isFinite(weight)) return drawNotFinite(pen, x, cell, top, height);
    const barHeight = weight * height;
    pen.fillRect(x + cell * 0.12, top + height - barHeight, cell * 0.76, barHeight);
  }

  // A cross for a masked symbol.
  function drawMasked(pen, x, cell, theme) {
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

  // The largest weights as numbers, where there is room.
  function drawWeightNumbers(pen, weights, first, last, theme) {
    const { top, height } = rows.weight;
    pen.font = `600 13px ${theme.font}`;
    pen.textAlign = "center";
    pen.textBaseline = "bottom";
    pen.fillStyle = theme.text;
    pen.strokeStyle = theme.background; // an outline, so that the lines around the column do not cross the number
    pen.lineWidth = 4;
    const half = pen.measureText("0.88").width / 2;
    const taken = [];
    const order = Array.from({ length: last - first }, (_, k) => first + k).filter((k) => weights[k] >= 0.045).sort((a, b) => weights[b] - weights[a]);
    const right = columns.cell * columns.count;
    for (const k of order) {
      const at = Math.min(Math.max(columns.x(k) + columns.cell / 2, half), right - half);
      if (taken.some((other) => Math.abs(other - at) < 2 * half + 4)) continue;
      taken.push(at);
      const y = top + height - weights[k] * height - 2;
      pen.strokeText(weights[k].toFixed(2), at, y);
      pen.fillText(weights[k].toFixed(2), at, y);
    }
  }

  function drawSelection(pen, chosen, theme) {
    const x = columns.x(chosen);
    pen.strokeStyle = theme.accent;
    pen.lineWidth = selection.pinned(store) === null ? 1.5 : 3;
    pen.setLineDash(selection.pinned(store) === null ? [4, 3] : []);
    pen.beginPath();
    pen.roundRect(x, rows.token.top - 2, columns.cell, rows.value.top + rows.value.height - rows.token.top + 4, 5);
    pen.stroke();
    pen.setLineDash([]);
  }

  const lines = (k) => {
    const { words } = context;
    return [
      unrolled.fillTemplate(words.weight_at, { value: unrolled.formatNumber(selection.weights(store)[k]) }),
      unrolled.fillTemplate(words.score_at, { value: unrolled.formatNumber(selection.scores(store)[k]) }),
      unrolled.fillTemplate(words.source_at, { n: k + 1, token: unrolled.displayToken(store.trace.options.source[k]) }),
    ];
  };
  context.on(columns.element, "pointermove", (event) => {
    const { column } = store.trace ? columns.at(event) : { column: -1 };
    if (column < 0) return unrolled.tooltip(null);
    unrolled.tooltip(lines(column), event.clientX, event.clientY, root);
  });
  context.on(columns.element, "pointerleave", () => unrolled.tooltip(null));
  context.on(columns.element, "click", (event) => {
    const { column } = store.trace ? columns.at(event) : { column: -1 };
    if (column >= 0) selection.pin(store, column);
  });

  // The arrow keys to the left and right are the player's.
  context.on(columns.element, "keydown", (event) => {
    if (!store.trace || event.ctrlKey || event.metaKey || event.altKey) return;
    const chosen = selection.source(store);
    const next = { ArrowUp: chosen - 1, ArrowDown: chosen + 1, Escape: selection.pinned(store) }[event.key];
    if (next === undefined || next === null) return;
    event.preventDefault();
    if (next >= 0 && next < store.trace.units && (next !== chosen || event.key === "Escape")) selection.pin(store, next);
    columns.scrollTo(selection.source(store));
  });

  return {
    element,
    relabel() {
      for (const [name, value] of Object.entries({ tabindex: 0, role: "group", "aria-label": context.words.source_keys })) columns.element.setAttribute(name, value);
    },
    names: nameColumn,
    nameRows,
    layout,
    frame() {
      if (selection.pinned(store) === null) columns.scrollTo(selection.argmax(selection.weights(store)));
      columns.paint();
    },
    images: () => images,
    canvas: () => columns.canvas,
  };
};
