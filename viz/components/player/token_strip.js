// The unrolled strip: one cell a token, tinted by the chosen quantity of the chosen unit; only the lines in sight are painted.
unrolled.strip = (context, held) => {
  const { store } = context;
  const CELL = 34, BETWEEN_LINES = 9, MARGIN = 6, MOST_LINES = 7, MOST_SAVED = 100;
  const GAP = { arrows: 20, links: 6 };

  const canvas = unrolled.element("canvas", { "aria-hidden": "true" });
  const marker = unrolled.element("div", { className: "unrolled-strip-now", "aria-hidden": "true" });
  const sheet = unrolled.element("div", { className: "unrolled-strip-sheet" }, canvas, marker);
  const scroller = unrolled.element("div", { className: "unrolled-strip", role: "img" }, sheet);

  let cells = []; // {x, line, width, text}, of the tokens that are here: those of the page
  let begin = 0; // the step of the first of them
  let lines = []; // index of the first cell of each line
  let arrows = false;
  let font = "";
  let height = 0;

  const top = (line) => MARGIN + line * (CELL + BETWEEN_LINES);

  function shorten(pen, text, room) {
    if (pen.measureText(text).width <= room) return text;
    let kept = [...text];
    while (kept.length > 1 && pen.measureText(`${kept.join("")}…`).width > room) kept = kept.slice(0, -1);
    return `${kept.join("")}…`;
  }

  // token -> {text, width} of its cell
  function measure(tokens, pen, room) {
    const narrow = tokens.every((token) => [...token].length <= 1);
    const sizes = new Map();
    for (const token of tokens) {
      if (sizes.has(token)) continue;
      const text = shorten(pen, unrolled.token(token), Math.min(room, 240) - 20);
      sizes.set(token, { text, width: Math.ceil(Math.max(narrow ? 29 : 36, pen.measureText(text).width + (narrow ? 12 : 20))) });
    }
    return sizes;
  }

  function flow(tokens, sizes, room, gap) {
    const placed = [];
    const starts = [0];
    let x = MARGIN;
    tokens.forEach((token, k) => {
      const { text, width } = sizes.get(token);
      const broken = k > 0 && (tokens[k - 1] === "⏎" || tokens[k - 1] === "\n");
      if (k > 0 && (broken || x + width > MARGIN + room)) {
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
    const characters = tokens.every((token) => [...token].length <= 1);
    font = characters ? `17px ${context.theme.code}, ${context.theme.font}` : `17px ${context.theme.font}`;
    const pen = canvas.getContext("2d");
    pen.font = font;
    const room = context.width - 2 * MARGIN - 10; // less the scroll bar
    const sizes = measure(tokens, pen, room);
    const tight = flow(tokens, sizes, room, GAP.links);
    const wide = flow(tokens, sizes, room, GAP.arrows);
    arrows = wide.starts.length <= Math.max(tight.starts.length, 3); // short links where arrows would cost lines
    const flowed = arrows ? wide : tight;
    cells = flowed.placed;
    lines = flowed.starts;
    const whole = top(lines.length) - BETWEEN_LINES + MARGIN + 4;
    height = lines.length <= MOST_LINES ? whole : top(MOST_LINES) + CELL * 0.6; // a fading line tells that there is more
    scroller.style.height = `${height}px`;
    sheet.style.height = `${whole}px`;
  }

  // From one cell to the next, as an unrolled network is drawn.
  function link(pen, from, to, y) {
    pen.beginPath();
    pen.moveTo(from, y);
    pen.lineTo(to, y);
    if (arrows) {
      const [head, back] = store.trace.layer.endsWith("_reverse") ? [from, 5] : [to, -5]; // as the state travels
      pen.moveTo(head + back, y - 4);
      pen.lineTo(head, y);
      pen.lineTo(head + back, y + 4);
    }
    pen.stroke();
  }

  // Paint lines [first, last] on a pen whose origin is the top of the sheet.
  function draw(pen, first, last) {
    const { trace, unit, quantity } = store;
    const { theme, palette } = context;
    const scale = trace.unitScale(quantity, unit);
    const inks = {};
    pen.font = font;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.strokeStyle = theme.text;
    pen.lineWidth = 1.25;
    const end = lines[last + 1] ?? cells.length;
    for (let k = lines[first]; k < end; k++) {
      const { x, width, text, line } = cells[k];
      const y = top(line);
      const tint = unrolled.tint(trace.value(quantity, begin + k, unit), scale, palette);
      const solid = tint !== "transparent";
      if (solid) {
        pen.fillStyle = tint;
        pen.beginPath();
        pen.roundRect(x, y, width, CELL, 5);
        pen.fill();
      }
      pen.globalAlpha = 0.22; // a value near 0 is near the page: its cell still has an edge
      pen.beginPath();
      pen.roundRect(x + 0.5, y + 0.5, width - 1, CELL - 1, 5);
      pen.stroke();
      pen.globalAlpha = 1;
      pen.fillStyle = solid ? (inks[tint] ??= unrolled.ink(tint)) : theme.text;
      pen.fillText(text, x + width / 2, y + CELL / 2 + 1);
      held.mark(pen, begin + k, cells[k], y + CELL, cells[k + 1]?.line === line ? cells[k + 1].x - x - width : 0);
      if (k + 1 < cells.length) {
        pen.globalAlpha = 0.55;
        link(pen, x + width + (arrows ? 4 : 0), x + width + (arrows ? GAP.arrows - 4 : GAP.links), y + CELL / 2);
        pen.globalAlpha = 1;
      }
    }
  }

  function paint() {
    const pen = unrolled.size(canvas, context.width, height);
    const from = scroller.scrollTop;
    const pitch = CELL + BETWEEN_LINES;
    const first = Math.max(0, Math.floor((from - MARGIN) / pitch));
    const last = Math.min(lines.length - 1, Math.floor((from + height - MARGIN) / pitch));
    pen.translate(0, -from);
    draw(pen, first, last);
    scroller.classList.toggle("unrolled-strip-more", from + height < sheet.offsetHeight - MARGIN);
  }

  function mark() {
    const cell = cells[store.step - begin];
    marker.hidden = !cell;
    if (!cell) return;
    marker.style.width = `${cell.width + 8}px`;
    marker.style.height = `${CELL + 8}px`;
    marker.style.transform = `translate(${cell.x - 4}px, ${top(cell.line) - 4}px)`;
    const y = top(cell.line);
    const from = scroller.scrollTop;
    if (lines.length <= MOST_LINES) return;
    // The lines beside it are kept in sight, so that what comes next can be read; a far jump lands in the middle.
    const pitch = CELL + BETWEEN_LINES;
    const far = y < from - pitch || y > from + height + pitch;
    if (far) scroller.scrollTop = y - (height - CELL) / 2;
    else if (y - pitch < from) scroller.scrollTop = y - pitch;
    else if (y + CELL + pitch > from + height) scroller.scrollTop = y + CELL + pitch - height;
  }

  function at(event) {
    const box = sheet.getBoundingClientRect();
    const x = event.clientX - box.left;
    const line = Math.floor((event.clientY - box.top - MARGIN + BETWEEN_LINES / 2) / (CELL + BETWEEN_LINES));
    if (line < 0 || line >= lines.length) return -1;
    const end = lines[line + 1] ?? cells.length;
    for (let k = lines[line]; k < end; k++) {
      if (x >= cells[k].x - 3 && x <= cells[k].x + cells[k].width + 3) return begin + k;
    }
    return -1;
  }

  context.on(scroller, "scroll", paint, { passive: true });
  context.on(scroller, "click", (event) => {
    const step = store.trace ? at(event) : -1;
    if (step >= 0) store.set({ step });
  });
  context.on(scroller, "pointermove", (event) => {
    const step = store.trace ? at(event) : -1;
    scroller.style.cursor = step < 0 ? "default" : "pointer";
    if (step < 0) return unrolled.note(null);
    unrolled.noteToken(context, step, event);
  });
  context.on(scroller, "pointerleave", () => unrolled.note(null));

  // The strip as a picture: all of its lines, of very many those around the current step.
  function picture() {
    const { theme, palette, words } = context;
    const { quantity, unit, trace } = store;
    const now = cells[store.step - begin];
    const first = Math.max(0, Math.min((now?.line ?? 0) - MOST_SAVED / 2, lines.length - MOST_SAVED));
    const last = Math.min(first + MOST_SAVED, lines.length) - 1;
    const most = top(last - first + 1);
    const { canvas: sheet, pen } = unrolled.sheet(context, context.width + 20, most + 40, `${words.unit} ${unit}`);
    unrolled.heading(pen, MARGIN + 10, 0, context.width - 2 * MARGIN, words.quantities[quantity] ?? quantity, trace.unitScale(quantity, unit), palette, theme);
    pen.translate(10, 30 - first * (CELL + BETWEEN_LINES));
    draw(pen, first, last);
    if (now) {
      pen.strokeStyle = theme.accent;
      pen.lineWidth = 3;
      pen.beginPath();
      pen.roundRect(now.x - 2.5, top(now.line) - 2.5, now.width + 5, CELL + 5, 7);
      pen.stroke();
    }
    return sheet;
  }

  return { element: scroller, layout, paint, mark, picture };
};
