// A row of columns on a canvas, one for each source symbol. Where they do not fit they scroll, and only the visible ones are painted:
// paint(pen, first, last) draws columns first..last-1 at x(k), each `cell` pixels wide.
unrolled.columns ??= (context, paint) => {
  const canvas = unrolled.element("canvas", { "aria-hidden": "true" });
  const content = unrolled.element("div", { className: "unrolled-columns-content" }, canvas);
  const element = unrolled.element("div", { className: "unrolled-columns" }, content);
  const self = { element, canvas, cell: 0, count: 0, visibleWidth: 0, height: 0 };

  // Fit `count` columns of min to max pixels each into `room` pixels.
  self.layout = (count, room, height, { min = 15, max = 44 } = {}) => {
    self.cell = Math.max(min, Math.min(max, Math.floor(room / count)));
    self.count = count;
    self.visibleWidth = Math.min(room, self.cell * count);
    self.height = height;
    element.style.width = `${self.visibleWidth}px`;
    content.style.width = `${self.cell * count}px`;
    content.style.height = `${height}px`;
  };

  self.x = (k) => k * self.cell;
  self.scrolls = () => self.cell * self.count > self.visibleWidth;

  self.paint = () => {
    if (!self.count) return;
    const from = element.scrollLeft;
    element.classList.toggle("unrolled-fade-left", from > 1);
    element.classList.toggle("unrolled-fade-right", from + self.visibleWidth < self.cell * self.count - 1);
    const pen = unrolled.sizeCanvas(canvas, self.visibleWidth, self.height);
    pen.translate(-from, 0);
    paint(pen, Math.max(0, Math.floor(from / self.cell)), Math.min(self.count, Math.ceil((from + self.visibleWidth) / self.cell)));
  };

  // The column under the pointer, -1 for none, and the pointer's y.
  self.at = (event) => {
    const box = canvas.getBoundingClientRect();
    const k = Math.floor((event.clientX - box.left + element.scrollLeft) / self.cell);
    return { column: k >= 0 && k < self.count ? k : -1, y: event.clientY - box.top };
  };

  // Scroll a column into view, with its neighbours.
  self.scrollTo = (k) => {
    if (!self.scrolls()) return;
    const [left, right] = [self.x(k) - 2 * self.cell, self.x(k) + 3 * self.cell];
    if (left < element.scrollLeft) element.scrollLeft = left;
    else if (right > element.scrollLeft + self.visibleWidth) element.scrollLeft = right - self.visibleWidth;
  };

  context.on(element, "scroll", () => self.paint(), { passive: true });
  return self;
};
