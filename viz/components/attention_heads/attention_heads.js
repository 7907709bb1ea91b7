// Every head of every layer as a small map, rows asking and columns being asked; a click picks one.
function build(context) {
  const { root } = context;
  const MOST = 190, LEAST = 84;
  const groups = unrolled.element("div", { className: "unrolled-heads-groups" });
  root.append(groups);
  let cards = [];

  // "0".."255" levels as base64 -> Uint8Array
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

  function card(head) {
    const canvas = unrolled.element("canvas", { "aria-hidden": "true" });
    const place = { layer: head.layer + 1, head: head.head + 1 };
    const button = unrolled.element("button", { type: "button", "data-name": head.name, "data-head": head.head }, canvas,
      unrolled.element("span", { text: unrolled.fill(context.words.head, place) }));
    button.title = head.title;
    button.setAttribute("aria-label", unrolled.fill(context.words.place, place));
    return { head, canvas, button, levels: bytes(head.levels) };
  }

  function paint({ head, canvas, levels }, width) {
    const [rows, columns] = head.shape;
    const colours = unrolled.raster.inks(context.palette.unit);
    const sheet = document.createElement("canvas");
    [sheet.width, sheet.height] = [columns, rows];
    const image = new ImageData(columns, rows);
    const pixels = new Uint32Array(image.data.buffer);
    levels.forEach((level, k) => { pixels[k] = colours[level]; });
    sheet.getContext("2d").putImageData(image, 0, 0);
    const tall = Math.max(36, Math.round((width * rows) / columns));
    const pen = unrolled.size(canvas, width, Math.min(tall, width));
    pen.imageSmoothingEnabled = false;
    pen.drawImage(sheet, 0, 0, width, Math.min(tall, width));
  }

  context.on(groups, "click", (event) => {
    const button = event.target.closest("button");
    if (button) context.report("picked", { name: button.dataset.name, head: Number(button.dataset.head), revision: context.data.view.revision });
  });

  function layout() {
    cards = [];
    const { words } = context;
    groups.replaceChildren(...context.data.groups.map(({ kind, heads }) => {
      const own = heads.map(card);
      cards.push(...own);
      const count = new Set(heads.map(({ head }) => head)).size;
      const grid = unrolled.element("div", { className: "unrolled-heads-grid" }, ...own.flatMap(({ head, button }) => (head.head ? [button] : [
        unrolled.element("p", { className: "unrolled-quiet", text: unrolled.fill(words.layer, { layer: head.layer + 1 }) }), button])));
      grid.style.gridTemplateColumns = `repeat(${count}, max-content)`;
      return unrolled.element("section", {}, unrolled.element("h5", { text: words.kinds[kind] }),
        unrolled.element("p", { className: "unrolled-quiet", text: words.meanings[kind] }), grid);
    }));
    const across = context.width >= 1100 ? 3 : context.width >= 760 ? 2 : 1;
    groups.style.gridTemplateColumns = `repeat(${across}, minmax(0, 1fr))`;
    const room = (context.width - 28 * (across - 1)) / across;
    for (const each of cards) {
      const count = new Set(context.data.groups.find(({ kind }) => kind === each.head.kind).heads.map(({ head }) => head)).size;
      paint(each, Math.max(LEAST - 20, Math.min(MOST, Math.floor(room / count) - 16)));
    }
    show();
  }

  function show() {
    const { picked } = context.data;
    for (const { head, button } of cards) button.setAttribute("aria-pressed", String(head.name === picked.name && head.head === picked.head));
  }

  return { layout };
}

export default (component) => unrolled.mount(component, build);
