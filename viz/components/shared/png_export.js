// The parts of a PNG file: each is drawn anew on a canvas of its own, with a line that says what it shows.

// A colour bar with its bounds, 150 px wide, y at its middle.
unrolled.pngColourBar ??= (pen, x, y, scale, palette, theme) => {
  pen.font = `13px ${theme.font}`;
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  pen.fillStyle = theme.text;
  pen.fillText(unrolled.formatNumber(scale.low, 2), x + 34, y);
  palette[scale.name].forEach((colour, k) => {
    pen.fillStyle = colour;
    pen.fillRect(x + 40 + (k * 69) / 255, y - 5, 1, 10);
  });
  pen.textAlign = "left";
  pen.fillStyle = theme.text;
  pen.fillText(unrolled.formatNumber(scale.high, 2), x + 116, y);
};

// A canvas filled with the page's background; its first line names the layer and the step, and ends with `subject`.
unrolled.pngSheet ??= (context, width, height, subject = "") => {
  const { store, theme, words } = context;
  const canvas = document.createElement("canvas");
  const pen = unrolled.sizeCanvas(canvas, width, height + 34);
  pen.fillStyle = theme.background;
  pen.fillRect(0, 0, width, height + 34);
  pen.font = `600 16px ${theme.font}`;
  pen.textBaseline = "middle";
  pen.fillStyle = theme.text;
  const place = unrolled.fillTemplate(words.step_token, { step: store.step + 1, token: unrolled.displayToken(store.trace.token(store.step)) });
  pen.fillText([store.trace.layer, place, subject].filter(Boolean).join(" · "), 16, 22);
  pen.translate(0, 34);
  return { canvas, pen };
};

// A panel's title with its colour bar at the right end.
unrolled.pngHeading ??= (pen, x, y, width, title, scale, palette, theme) => {
  pen.font = `600 15px ${theme.font}`;
  pen.textBaseline = "middle";
  pen.textAlign = "left";
  pen.fillStyle = theme.text;
  pen.fillText(title, x, y + 12);
  unrolled.pngColourBar(pen, x + width - 150, y + 12, scale, palette, theme);
};
