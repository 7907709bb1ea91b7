// The token strip: one cell for each token, coloured by the chosen quantity of the chosen unit; only the visible lines are painted.
unrolled.tokenStrip = (context, fixedSpans) => {
  const { store } = context;
  const touched = matchMedia("(pointer: coarse)").matches; // then a cell, with half of the gaps around it, is 44 px wide and high
  const CELL = 34, LINE_GAP = touched ? 10 : 9, MARGIN = 6, MAX_LINES = 7, MAX_PNG_LINES = 100;
  const MIN_WIDTH = touched ? 38 : 29;
  const LINE_PITCH = CELL + LINE_GAP;
  const CELL_GAP = { arrows: 20, links: 6 };

  const canvas = unrolled.element("canvas", { "aria-hidden": "true" });
  const marker = unrolled.element("div", { className: "unrolled-token-strip-marker", "aria-hidden": "true" });
  const content = unrolled.element("div", { className: "unrolled-token-strip-content" }, canvas, marker);
  const scroller = unrolled.element("div", { className: "unrolled-token-strip", role: "img" }, content);

  let cells = []; // {x, line, width, text} of each token of the trace's page
  let begin = 0; // the step of the first one
  let lines = []; // index of the first cell of each line
  let arrows = false;
  let font = "";
  let height = 0;
  let lineWidth = null; // where only the line of the current token is shown: its width

  const width = () => lineWidth ?? context.width;
  const top = (line) => MARGIN + line * LINE_PITCH;

  function shorten(pen, text, room) {
    if (pen.measureText(text).width <= room) return text;
    let start = [...text];
    while (start.length > 1 && pen.measureText(`${start.join("")}…`).width > room) start = start.slice(0, -1);
    return `${start.join("")}…`;
  }

  // token -> {text, width} of its cell
  function measure(tokens, pen, room) {
    const narrow = tokens.every(unrolled.isCharacter);
    const sizes = new Map();
    for (const token of tokens) {
      if (sizes.has(token)) continue;
      const text = shorten(pen, unrolled.displayToken(token), Math.min(room, 240) - 20);
      sizes.set(token, { text, width: Math.ceil(Math.max(MIN_WIDTH, narrow ? 0 : 36, pen.measureText(text).width + (narrow ? 12 : 20))) });
    }
    return sizes;
  }

  function breakLines(tokens, sizes, room, gap) {
    const placed = [];
    const starts = [0];
    let x = MARGIN;
    tokens.forEach((token, k) => {
      const { text, width } = sizes.get(token);
      const afterBreak = lineWidth === null && k > 0 && (tokens[k - 1] === "⏎" || tokens[k - 1] === "\n");
      if (k > 0 && (afterBreak || x + width > MARGIN + room)) {
        starts.push(k);
        x = MARGIN;
      }
      placed.push({ x, width, text, line: starts.length - 1 });
      x += width + gap;
    });
    return { placed, starts };
  }

  function layout() {
    const { tokens } = store.trace;
    [begin] = store.trace.page;
    const characters = tokens.every(unrolled.isCharacter);
    font = characters ? `17px ${context.theme.code}, ${context.theme.font}` : `17px ${context.theme.font}`;
    const pen = canvas.getContext("2d");
    pen.font = font;
    const room = width() - 2 * MARGIN - 10; // less the scroll bar
    const sizes = measure(tokens, pen, room);
    const tight = breakLines(tokens, sizes, room, CELL_GAP.links);
    const wide = breakLines(tokens, sizes, room, CELL_GAP.arrows);
    arrows = wide.starts.length <= Math.max(tight.starts.length, 3); // short links where arrows would need more lines
    const broken = arrows ? wide : tight;
    cells = broken.placed;
    lines = broken.starts;
    const contentHeight = top(lines.length) - LINE_GAP + MARGIN + 4;
    height = lines.length <= MAX_LINES ? contentHeight : top(MAX_LINES) + CELL * 0.6; // a fading line shows that it scrolls
    if (lineWidth !== null) height = CELL + 2 * MARGIN;
    scroller.style.height = `${height}px`;
    content.style.height = `${contentHeight}px`;
  }

  // The connection from one cell to the next, as in the drawing of an unrolled network.
  function drawLink(pen, from, to, y) {
    pen.beginPath();
    pen.moveTo(from, y);
    pen.lineTo(to, y);
    if (arrows) {
      const [head, back] = store.trace.layer.endsWith("_reverse") ? [from, 5] : [to, -5]; // in the direction of the state
      pen.moveTo(head + back, y - 4);
      pen.lineTo(head, y);
      pen.lineTo(head + back, y + 4);
    }
    pen.stroke();
  }

  // Draw lines [first, last] with a pen whose origin is the top of the content.
  function drawLines(pen, first, last) {
    const { trace, unit, quantity } = store;
    const { theme, palette } = context;
    const scale = trace.unitScale(quantity, unit);
    const textColours = {};
    pen.font = font;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.strokeStyle = theme.text;
    pen.lineWidth = 1.25;
    const end = lines[last + 1] ?? cells.length;
    for (let k = lines[first]; k < end; k++) {
      const { x, width, text, line } = cells[k];
      const y = top(line);
      const colour = unrolled.colourOf(trace.shown(quantity, begin + k, unit), scale, palette);
      const filled = colour !== "transparent";
      if (filled) {
        pen.fillStyle = colour;
        pen.beginPath();
        pen.roundRect(x, y, width, CELL, 5);
        pen.fill();
      }
      pen.globalAlpha = 0.22; // a value near 0 has nearly the page's colour: the cell's edge stays visible
      pen.beginPath();
      pen.roundRect(x + 0.5, y + 0.5, width - 1, CELL - 1, 5);
      pen.stroke();
      pen.globalAlpha = 1;
      pen.fillStyle = filled ? (textColours[colour] ??= unrolled.contrastColour(colour)) : theme.text;
      pen.fillText(text, x + width / 2, y + CELL / 2 + 1);
      fixedSpans.draw(pen, begin + k, cells[k], y + CELL, cells[k + 1]?.line === line ? cells[k + 1].x - x - width : 0);
      if (k + 1 < cells.length) {
        pen.globalAlpha = 0.55;
        drawLink(pen, x + width + (arrows ? 4 : 0), x + width + (arrows ? CELL_GAP.arrows - 4 : CELL_GAP.links), y + CELL / 2);
        pen.globalAlpha = 1;
      }
    }
  }

  function paint() {
    const pen = unrolled.sizeCanvas(canvas, width(), height);
    const from = scroller.scrollTop;
    const first = Math.max(0, Math.floor((from - MARGIN) / LINE_PITCH));
    const last = Math.min(lines.length - 1, Math.floor((from + height - MARGIN) / LINE_PITCH));
    pen.translate(0, -from);
    drawLines(pen, first, last);
    scroller.classList.toggle("unrolled-token-strip-more", lineWidth === null && from + height < content.offsetHeight - MARGIN);
  }

  function moveMarker() {
    const cell = cells[store.step - begin];
    marker.hidden = !cell;
    if (!cell) return;
    const y = top(cell.line);
    marker.style.width = `${cell.width + 8}px`;
    marker.style.height = `${CELL + 8}px`;
    marker.style.transform = `translate(${cell.x - 4}px, ${y - 4}px)`;
    if (lineWidth !== null) {
      scroller.scrollTop = y - MARGIN;
      return;
    }
    if (lines.length <= MAX_LINES) return;
    // Keep the neighbouring lines visible; after a far jump, centre the line.
    const from = scroller.scrollTop;
    const isFar = y < from - LINE_PITCH || y > from + height + LINE_PITCH;
    if (isFar) scroller.scrollTop = y - (height - CELL) / 2;
    else if (y - LINE_PITCH < from) scroller.scrollTop = y - LINE_PITCH;
    else if (y + CELL + LINE_PITCH > from + height) scroller.scrollTop = y + CELL + LINE_PITCH - height;
  }

  // The step under the pointer; -1 for none.
  function stepAt(event) {
    const box = content.getBoundingClientRect();
    const x = event.clientX - box.left;
    const line = Math.floor((event.clientY - box.top - MARGIN + LINE_GAP / 2) / LINE_PITCH);
    if (line < 0 || line >= lines.length) return -1;
    const end = lines[line + 1] ?? cells.length;
    for (let k = lines[line]; k < end; k++) {
      if (x >= cells[k].x - 3 && x <= cells[k].x + cells[k].width + 3) return begin + k;
    }
    return -1;
  }

  context.on(scroller, "scroll", paint, { passive: true });
  context.on(scroller, "click", (event) => {
    const step = store.trace ? stepAt(event) : -1;
    if (step >= 0) store.set({ step });
  });
  context.on(scroller, "pointermove", (event) => {
    const step = store.trace ? stepAt(event) : -1;
    scroller.style.cursor = step < 0 ? "default" : "pointer";
    if (step < 0) return unrolled.tooltip(null);
    unrolled.tokenTooltip(context, step, event);
  });
  context.on(scroller, "pointerleave", () => unrolled.tooltip(null));

  // The strip as a PNG's canvas: all lines, or of very many those around the current step.
  function png() {
    const { theme, palette, words } = context;
    const { quantity, unit, trace } = store;
    const current = cells[store.step - begin];
    const first = Math.max(0, Math.min((current?.line ?? 0) - MAX_PNG_LINES / 2, lines.length - MAX_PNG_LINES));
    const last = Math.min(first + MAX_PNG_LINES, lines.length) - 1;
    const stripHeight = top(last - first + 1);
    const { canvas: sheet, pen } = unrolled.pngSheet(context, context.width + 20, stripHeight + 40, `${words.unit} ${unit}`);
    unrolled.pngHeading(pen, MARGIN + 10, 0, context.width - 2 * MARGIN, words.quantities[quantity] ?? quantity, trace.unitScale(quantity, unit), palette, theme);
    pen.translate(10, 30 - first * LINE_PITCH);
    drawLines(pen, first, last);
    if (current) {
      pen.strokeStyle = theme.accent;
      pen.lineWidth = 3;
      pen.beginPath();
      pen.roundRect(current.x - 2.5, top(current.line) - 2.5, current.width + 5, CELL + 5, 7);
      pen.stroke();
    }
    return sheet;
  }

  // Show only the line of the current token, in this width; null: all lines.
  function setLine(wanted) {
    lineWidth = wanted;
    layout();
    paint();
    moveMarker();
  }

  return { element: scroller, layout, paint, moveMarker, png, setLine };
};
