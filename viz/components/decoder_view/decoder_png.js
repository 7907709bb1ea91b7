// The drawing as a PNG's canvas: its canvases, its SVG and its text elements on one canvas.
unrolled.decoderPng ??= async (context, { root, names, columns, target }) => {
  const { theme } = context;
  const box = root.getBoundingClientRect();
  const canvas = document.createElement("canvas");
  const [width, height] = [Math.ceil(box.width) + 16, Math.ceil(box.height) + 16];
  const pen = unrolled.sizeCanvas(canvas, width, height);
  pen.fillStyle = theme.background;
  pen.fillRect(0, 0, width, height);
  const boundsOf = (node) => {
    const own = node.getBoundingClientRect();
    return [own.left - box.left + 8, own.top - box.top + 8, own.width, own.height];
  };
  for (const each of [columns, ...target.querySelectorAll("canvas")]) pen.drawImage(each, ...boundsOf(each));
  const svg = target.querySelector("svg").cloneNode(true);
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  svg.setAttribute("font-family", theme.font);
  const image = new Image();
  await new Promise((resolve) => {
    image.onload = image.onerror = resolve;
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(svg))}`;
  });
  pen.drawImage(image, ...boundsOf(target.querySelector("svg")));
  pen.textBaseline = "middle";
  for (const node of [...names.querySelectorAll("b, span, i"), ...target.querySelectorAll("p, b, span, .unrolled-track i")]) {
    const style = getComputedStyle(node);
    const [x, y, nodeWidth, nodeHeight] = boundsOf(node);
    if (node.closest("[hidden]")) continue;
    if (node.matches(".unrolled-track > i")) {
      pen.globalAlpha = Number(style.opacity);
      pen.fillStyle = theme.text;
      pen.fillRect(x, y, nodeWidth, nodeHeight);
      pen.globalAlpha = 1;
      continue;
    }
    pen.fillStyle = style.color;
    pen.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    wrapText(pen, node.textContent, nodeWidth).forEach((line, k, all) => pen.fillText(line, x, y + ((k + 0.5) * nodeHeight) / all.length));
  }
  return canvas;
};

// Break a text into lines of at most this width, as the document does.
function wrapText(pen, text, width) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines[lines.length - 1];
    const longer = last ? `${last} ${word}` : word;
    if (pen.measureText(longer).width > width + 2 && last) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines;
}
