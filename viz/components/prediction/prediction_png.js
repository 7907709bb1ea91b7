// The prediction as a PNG's canvas.
//   parts: in order from the top, {text, strong}, {bars: [{label, share, value, mark, strong}]} or
//   {chart: {canvas, marker: [x, y, width, height]}}
unrolled.predictionPng ??= (context, parts) => {
  const { theme } = context;
  const LINE = 30, ROW = 30, MARGIN = 16;
  const width = Math.max(context.width, 420) + 2 * MARGIN;
  const chartHeight = (part) => Number.parseFloat(part.chart.canvas.style.height) + 12;
  const height = parts.reduce((sum, part) => sum + (part.bars ? part.bars.length * ROW + 8 : part.chart ? chartHeight(part) : LINE), MARGIN);
  const { canvas, pen } = unrolled.pngSheet(context, width, height);

  function bars(rows, top) {
    pen.font = `600 17px ${theme.code}, ${theme.font}`;
    const names = Math.min(Math.max(38, ...rows.map(({ label }) => pen.measureText(label).width + 14)), width / 3);
    pen.font = `600 15px ${theme.font}`;
    const marks = Math.max(116, ...rows.map(({ mark }) => pen.measureText(mark ?? "").width));
    const [from, room] = [MARGIN + names + 10, width - 2 * MARGIN - names - 10 - 84 - marks];
    rows.forEach(({ label, share, value, mark, strong }, k) => {
      const middle = top + k * ROW + ROW / 2;
      pen.textAlign = "center";
      pen.font = `${strong ? 700 : 500} 17px ${theme.code}, ${theme.font}`;
      pen.fillText(label, MARGIN + names / 2, middle, names - 6);
      pen.globalAlpha = 0.08;
      pen.fillRect(from, middle - 8, room, 16);
      pen.globalAlpha = strong ? 1 : 0.4;
      pen.fillRect(from, middle - 8, room * (share === share ? share : 0), 16);
      pen.globalAlpha = 1;
      pen.font = `${strong ? 600 : 400} 15px ${theme.font}`;
      pen.textAlign = "right";
      pen.fillText(value, from + room + 72, middle);
      pen.textAlign = "left";
      if (mark) pen.fillText(mark, from + room + 84, middle);
    });
  }

  let top = 6;
  for (const part of parts) {
    pen.fillStyle = theme.text;
    if (part.bars) {
      bars(part.bars, top);
      top += part.bars.length * ROW + 8;
    } else if (part.chart) {
      const { canvas: chart, marker } = part.chart;
      pen.drawImage(chart, MARGIN, top, Number.parseFloat(chart.style.width), Number.parseFloat(chart.style.height));
      pen.strokeStyle = theme.accent;
      pen.lineWidth = 2;
      pen.strokeRect(MARGIN + marker[0], top + marker[1], marker[2], marker[3]);
      top += chartHeight(part);
    } else {
      pen.textAlign = "left";
      pen.font = `${part.strong ? 600 : 400} ${part.strong ? 16 : 15}px ${theme.font}`;
      pen.fillText(part.text, MARGIN, top + LINE / 2, width - 2 * MARGIN);
      top += LINE;
    }
  }
  return canvas;
};
