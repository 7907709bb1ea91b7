// The drawing as one picture to keep: what stands on canvases, in SVG and in the document, on one sheet.
unrolled.decodingPicture ??= async (context, { root, names, columns, target }) => {
  const { theme } = context;
  const box = root.getBoundingClientRect();
  const canvas = document.createElement("canvas");
  const [width, height] = [Math.ceil(box.width) + 16, Math.ceil(box.height) + 16];
  const pen = unrolled.size(canvas, width, height);
  pen.fillStyle = theme.background;
  pen.fillRect(0, 0, width, height);
  const place = (node) => {
    const at = node.getBoundingClientRect();
    return [at.left - box.left + 8, at.top - box.top + 8, at.width, at.height];
  };
  for (const each of [columns, ...target.querySelectorAll("canvas")]) pen.drawImage(each, ...place(each));
  const svg = target.querySelector("svg").cloneNode(true);
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  svg.setAttribute("font-family", theme.font);
  const image = new Image();
  await new Promise((done) => {
    image.onload = image.onerror = done;
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(svg))}`;
  });
  pen.drawImage(image, ...place(target.querySelector("svg")));
  pen.textBaseline = "middle";
  for (const node of [...names.querySelectorAll("b, span, i"), ...target.querySelectorAll("p, b, span, .unrolled-track i")]) {
    const style = getComputedStyle(node);
    const [x, y, wide, tall] = place(node);
    if (node.closest("[hidden]")) continue;
    if (node.parentElement.matches(".unrolled-track")) {
      pen.globalAlpha = Number(style.opacity);
      pen.fillStyle = theme.text;
      pen.fillRect(x, y, wide, tall);
      pen.globalAlpha = 1;
      continue;
    }
    pen.fillStyle = style.color;
    pen.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    lines(pen, node.textContent, wide).forEach((line, k, all) => pen.fillText(line, x, y + ((k + 0.5) * tall) / all.length));
  }
  return canvas;
};

// A text in lines that are no wider than the document made them.
function lines(pen, text, width) {
  const made = [""];
  for (const word of text.split(" ")) {
    const longer = made[made.length - 1] ? `${made[made.length - 1]} ${word}` : word;
    if (pen.measureText(longer).width > width + 2 && made[made.length - 1]) made.push(word);
    else made[made.length - 1] = longer;
  }
  return made;
}
