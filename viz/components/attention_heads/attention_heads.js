// Every head of every layer as a small attention map, rows are queries, columns are keys; a click chooses one.
function build(context) {
  const { root } = context;
  const MAX_WIDTH = 190, MIN_WIDTH = 40;
  const groups = unrolled.element("div", { className: "unrolled-attention-heads-groups" });
  root.append(groups);
  let cards = [];

  // Levels 0..255 as base64 -> Uint8Array
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

  function card(head) {
    const canvas = unrolled.element("canvas", { "aria-hidden": "true" });
    const position = { layer: head.layer + 1, head: head.head + 1 };
    const button = unrolled.element("button", { type: "button", "data-name": head.name, "data-head": head.head }, canvas,
      unrolled.element("span", { text: unrolled.fillTemplate(context.words.head, position) }));
    button.title = head.title;
    button.setAttribute("aria-label", unrolled.fillTemplate(context.words.place, position));
    return { head, canvas, button, levels: bytes(head.levels) };
  }

  function paint({ head, canvas, levels }, width) {
    const [rows, columns] = head.shape;
    const table = unrolled.raster.colourTable(context.palette.unit, context.palette.not_finite);
    const sheet = document.createElement("canvas");
    [sheet.width, sheet.height] = [columns, rows];
    const image = new ImageData(columns, rows);
    const pixels = new Uint32Array(image.data.buffer);
    levels.forEach((level, k) => { pixels[k] = table[level]; });
    for (const k of head.nan) pixels[k] = table[256];
    sheet.getContext("2d").putImageData(image, 0, 0);
    const height = Math.min(Math.max(36, Math.round((width * rows) / columns)), width);
    const pen = unrolled.sizeCanvas(canvas, width, height);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(sheet, 0, 0, width, height);
  }

  context.on(groups, "click", (event) => {
    const button = event.target.closest("button");
    if (button) context.report("picked", { name: button.dataset.name, head: Number(button.dataset.head), revision: context.data.view.revision });
  });

  function layout() {
    cards = [];
    const { words } = context;
    groups.replaceChildren(...context.data.groups.map(({ kind, heads }) => {
      const groupCards = heads.map(card);
      cards.push(...groupCards);
      const count = new Set(heads.map(({ head }) => head)).size;
      const grid = unrolled.element("div", { className: "unrolled-attention-heads-grid" }, ...groupCards.flatMap(({ head, button }) => (head.head ? [button] : [
        unrolled.element("p", { className: "unrolled-muted", text: unrolled.fillTemplate(words.layer, { layer: head.layer + 1 }) }), button])));
      grid.style.gridTemplateColumns = `repeat(${count}, max-content)`;
      return unrolled.element("section", {}, unrolled.element("h5", { text: words.kinds[kind] }),
        unrolled.element("p", { className: "unrolled-muted", text: words.meanings[kind] }), grid);
    }));
    const groupsPerRow = context.width >= 1100 ? 3 : context.width >= 760 ? 2 : 1;
    groups.style.gridTemplateColumns = `repeat(${groupsPerRow}, minmax(0, 1fr))`;
    const room = (context.width - 28 * (groupsPerRow - 1)) / groupsPerRow;
    for (const each of cards) {
      const count = new Set(context.data.groups.find(({ kind }) => kind === each.head.kind).heads.map(({ head }) => head)).size;
      paint(each, Math.max(MIN_WIDTH, Math.min(MAX_WIDTH, Math.floor(room / count) - 16)));
    }
    show();
  }

  function show() {
    const { picked } = context.data;
    for (const { head, button } of cards) button.setAttribute("aria-pressed", String(head.name === picked.name && head.head === picked.head));
  }

  return { layout };
}

unrolled.define("attention_heads", build);
