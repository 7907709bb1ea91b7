// Columns, one a symbol of the source, drawn on a canvas; where they are more than fit they scroll, and only those in sight are painted.
// paint(pen, first, last) draws columns first..last-1 at x(k), `cell` wide.
unrolled.columns ??= (context, paint) => {
  const canvas = unrolled.element("canvas", { "aria-hidden": "true" });
  const sheet = unrolled.element("div", { className: "unrolled-columns-sheet" }, canvas);
  const element = unrolled.element("div", { className: "unrolled-columns" }, sheet);
  const self = { element, canvas, cell: 0, count: 0, shown: 0, height: 0 };

  // Take `room` pixels for `count` columns of at least `least` and at most `most` pixels each.
  self.layout = (count, room, height, { least = 15, most = 44 } = {}) => {
    self.cell = Math.max(least, Math.min(most, Math.floor(room / count)));
    self.count = count;
    self.shown = Math.min(room, self.cell * count);
    self.height = height;
    element.style.width = `${self.shown}px`;
    sheet.style.width = `${self.cell * count}px`;
    sheet.style.height = `${height}px`;
  };

  self.x = (k) => k * self.cell;
  self.scrolls = () => self.cell * self.count > self.shown;

  self.paint = () => {
    if (!self.count) return;
    const from = element.scrollLeft;
    element.classList.toggle("unrolled-before", from > 1);
    element.classList.toggle("unrolled-after", from + self.shown < self.cell * self.count - 1);
    const pen = unrolled.size(canvas, self.shown, self.height);
    pen.translate(-from, 0);
    paint(pen, Math.max(0, Math.floor(from / self.cell)), Math.min(self.count, Math.ceil((from + self.shown) / self.cell)));
  };

  // The column and the height under the pointer; -1 for none.
  self.at = (event) => {
    const box = canvas.getBoundingClientRect();
    const k = Math.floor((event.clientX - box.left + element.scrollLeft) / self.cell);
    return { column: k >= 0 && k < self.count ? k : -1, y: event.clientY - box.top };
  };

  // Bring a column into sight, and those beside it.
  self.show = (k) => {
    if (!self.scrolls()) return;
    const [left, right] = [self.x(k) - 2 * self.cell, self.x(k) + 3 * self.cell];
    if (left < element.scrollLeft) element.scrollLeft = left;
    else if (right > element.scrollLeft + self.shown) element.scrollLeft = right - self.shown;
  };

  context.on(element, "scroll", () => self.paint(), { passive: true });
  return self;
};
