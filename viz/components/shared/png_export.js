// A picture to keep: what its parts share. Each is made anew on a canvas of its own, with a line that says what it is of.

// A colour bar with its numbers on a canvas, 150 px wide, y at its middle.
unrolled.bar ??= (pen, x, y, scale, palette, theme) => {
  pen.font = `13px ${theme.font}`;
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  pen.fillStyle = theme.text;
  pen.fillText(unrolled.number(scale.low, 2), x + 34, y);
  palette[scale.name].forEach((colour, k) => {
    pen.fillStyle = colour;
    pen.fillRect(x + 40 + (k * 69) / 255, y - 5, 1, 10);
  });
  pen.textAlign = "left";
  pen.fillStyle = theme.text;
  pen.fillText(unrolled.number(scale.high, 2), x + 116, y);
};

// A sheet for a picture: the page's ground, and in the first line the layer, the step and what else is `told`.
unrolled.sheet ??= (context, width, height, told = "") => {
  const { store, theme, words } = context;
  const canvas = document.createElement("canvas");
  const pen = unrolled.size(canvas, width, height + 34);
  pen.fillStyle = theme.background;
  pen.fillRect(0, 0, width, height + 34);
  pen.font = `600 16px ${theme.font}`;
  pen.textBaseline = "middle";
  pen.fillStyle = theme.text;
  const place = unrolled.fill(words.step_token, { step: store.step + 1, token: unrolled.token(store.trace.token(store.step)) });
  pen.fillText([store.trace.layer, place, told].filter(Boolean).join(" · "), 16, 22);
  pen.translate(0, 34);
  return { canvas, pen };
};

// A panel's title with its colour bar at the right end.
unrolled.heading ??= (pen, x, y, width, title, scale, palette, theme) => {
  pen.font = `600 15px ${theme.font}`;
  pen.textBaseline = "middle";
  pen.textAlign = "left";
  pen.fillStyle = theme.text;
  pen.fillText(title, x, y + 12);
  unrolled.bar(pen, x + width - 150, y + 12, scale, palette, theme);
};
