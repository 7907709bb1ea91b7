// The cell as the diagram of the textbooks, with one unit's value on every wire.
const FADED = 14; // pixels of a fading edge at which a number is no longer legible
const LEAST_OF_WINDOW = 0.6; // in projector mode, where the page is enlarged
const MIN_SCALE = 13 / 14; // the numbers are 14 px high and never less than 13; a narrower drawing is upright
const LEAST_OF_TELEPHONE = 9.5 / 14; // without an upright layout; what is still wider scrolls

/** Download the drawing as a file of its own, which contains every style that the page gave it. */
function downloadSvg(svg, theme, name) {
  const copy = svg.cloneNode(true);
  const originals = svg.querySelectorAll("*");
  copy.querySelectorAll("*").forEach((node, k) => {
    const style = getComputedStyle(originals[k]);
    if (node.matches(".wire")) {
      node.setAttribute("stroke-width", parseFloat(style.strokeWidth));
      node.setAttribute("stroke-opacity", style.strokeOpacity);
    }
    if (node.matches("text")) node.setAttribute("font-family", style.fontFamily);
    if (node.matches(".blade")) node.setAttribute("style", `transform:${style.transform};transform-origin:${style.transformOrigin}`);
    else node.removeAttribute("style");
    for (const attribute of ["class", "tabindex", "role"]) node.removeAttribute(attribute);
  });
  const { width, height } = svg.viewBox.baseVal;
  copy.removeAttribute("style");
  for (const [key, value] of Object.entries({ xmlns: SVG, width, height, "font-family": theme.font })) copy.setAttribute(key, value);
  copy.style.fontVariantNumeric = "tabular-nums";
  const background = document.createElementNS(SVG, "rect");
  for (const [key, value] of Object.entries({ width, height, fill: theme.background })) background.setAttribute(key, value);
  copy.prepend(background);
  const url = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" }));
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

function build(context) {
  const { root, store, on } = context;
  const { cellMath, element: html } = unrolled;
  const scroller = html("div", { className: "scroll unrolled-fades" });
  const readout = html("p", { className: "readout" });
  const save = html("button", { className: "unrolled-save", type: "button" });
  root.append(scroller, html("div", { className: "foot" }, readout, save));
  const fade = () => { // an edge that fades shows that there is more
    scroller.classList.toggle("unrolled-fade-left", scroller.scrollLeft > 1);
    scroller.classList.toggle("unrolled-fade-right", scroller.scrollLeft + scroller.clientWidth < scroller.scrollWidth - 1);
  };
  unrolled.swipe(context, scroller);
  on(scroller, "scroll", () => { fade(); hideCutTexts(); }, { passive: true });
  let svg = null, drawing = null, parts = [], texts = [], built = "";

  const partOf = (target) => target.closest?.("[data-part]")?.dataset.part ?? null;
  const choose = (part) => part && store.trace?.quantities.includes(part) && store.set({ quantity: part });
  for (const type of ["pointerover", "focusin"]) on(scroller, type, (event) => cellMath.focus.set(store, partOf(event.target)));
  for (const type of ["pointerleave", "focusout"]) on(scroller, type, () => cellMath.focus.set(store, null));
  on(scroller, "click", (event) => choose(partOf(event.target)));
  on(scroller, "keydown", (event) => {
    if ((event.key !== "Enter" && event.key !== " ") || !partOf(event.target)) return;
    event.preventDefault();
    event.stopPropagation();
    choose(partOf(event.target));
  });
  on(save, "click", () => {
    const { trace, step, unit } = store;
    if (svg) downloadSvg(svg, context.theme, `${trace.layer}-unit${unit}-step${step}.svg`);
  });

  /** Hide every number that an edge cuts, with its symbol: a part of it could be read as another number. */
  function hideCutTexts() {
    if (!svg) return;
    const fits = scroller.scrollWidth <= scroller.clientWidth + 1;
    const { left, right } = scroller.getBoundingClientRect();
    const from = left + (scroller.classList.contains("unrolled-fade-left") ? FADED : 0);
    const to = right - (scroller.classList.contains("unrolled-fade-right") ? FADED : 0);
    const cut = new Set(fits ? [] : texts.filter((text) => {
      const box = text.getBoundingClientRect();
      return box.left < from || box.right > to;
    }).map((text) => text.parentNode));
    for (const text of texts) text.style.opacity = cut.has(text.parentNode) ? "0" : "";
  }

  /** The height that the drawing may have: all of the window in projector mode, elsewhere any. */
  function heightOfWindow() {
    const list = document.querySelector(".unrolled-panel-list[data-projector]");
    if (!list) return Infinity;
    const enlarged = root.getBoundingClientRect().width / root.offsetWidth || 1; // by the page
    const above = scroller.getBoundingClientRect().top - list.getBoundingClientRect().top; // also while the page is scrolled
    const below = Math.max(readout.offsetHeight, 44) + 28; // the line under the drawing, and the margins of the page
    return Math.floor((window.innerHeight - above) / enlarged - below);
  }

  /** Scroll sideways to the part of the chosen quantity. */
  function showChosen() {
    const part = parts.find((each) => each.dataset.part === store.quantity && each.hasAttribute("tabindex"));
    if (!part || scroller.scrollWidth <= scroller.clientWidth + 1) return;
    const [box, view] = [part, scroller].map((each) => each.getBoundingClientRect());
    scroller.scrollLeft += (box.left + box.right - view.left - view.right) / 2;
  }

  /** Dim all but the quantity that the reader points at, and describe that one. */
  const highlight = () => {
    if (!store.trace || !svg) return;
    const { trace, step, unit } = store;
    const focus = cellMath.focus.get(store);
    const isPart = parts.some((part) => part.dataset.part === focus);
    for (const part of parts) part.classList.toggle("dim", isPart && part.dataset.part !== focus);
    if (!isPart) {
      readout.textContent = trace.options.cell.sources ? context.words.hint_own : context.words.hint;
      return;
    }
    const value = cellMath.values(trace, step, unit)[focus];
    const shown = value === undefined ? "" : ` = ${cellMath.format(value)}`;
    const own = Boolean(trace.options.cell.sources); // a cell of the user's own
    const meanings = own ? {} : context.words.meanings[trace.kind] ?? {};
    // With another activation than tanh, a candidate may be outside −1..1.
    const unlimited = !own && focus === "candidate" && String(cellMath.activation(trace, focus).limits) !== "-1,1";
    const meaning = unlimited ? "any_candidate" : focus === "cell" && trace.options.cell.norm?.cell ? "normed_cell" : focus;
    readout.replaceChildren(html("b", { text: `${context.words.names[focus] ?? focus}${shown}` }), ` ${meanings[meaning] ?? ""}`);
  };

  const layout = () => {
    const { trace } = store;
    const { words } = context;
    const { draw, upright, min, max } = layoutOf(trace);
    const isUpright = upright && context.width < min * MIN_SCALE;
    const least = isUpright ? 0 : context.width < 480 ? LEAST_OF_TELEPHONE : MIN_SCALE;
    const width = Math.min(max, Math.max(Math.ceil(min * least), context.width));
    const enlarged = Math.min(1.2, Math.max(1, width / (min + 200))); // where there is room, for the back row of a classroom
    const most = isUpright ? 1.2 : Math.min(enlarged, width / min);
    const room = heightOfWindow();
    const before = trace.layer.endsWith("_reverse") ? "t+1" : "t−1";
    const key = JSON.stringify([trace.kind, trace.options, before, width, room, context.theme, context.palette?.quantity, words]);
    if (key === built) return;
    built = key;
    const { cell } = trace.options;
    const own = Boolean(cell.sources);
    const title = (own ? null : words.titles[trace.kind]) ?? trace.kind;
    const description = own ? "own" : trace.kind === "LSTM" && cell.gates.output_gate.peephole ? "LSTM_peepholes" : trace.kind;
    const notes = [!own && trace.kind === "LSTM" && !cell.gates.forget_gate && words.descriptions.coupled, !own && cell.equations.intermediate && words.descriptions.multiplicative, cell.norm?.products && words.descriptions.norm, cell.norm?.cell && words.descriptions.cell_norm];
    const resetsState = !own && trace.kind === "GRU" && cellMath.namesIn(cell.gates.candidate.recurrent).includes("reset_gate");
    const label = (part) => {
      const { symbol, clip } = cellMath.activation(trace, part);
      return clip === null ? symbol : `${symbol}∘clip`;
    };
    // Draw at this zoom; what is narrower by it gets wider gaps.
    const drawAt = (zoom) => {
      svg = svgElement("svg");
      svgElement("title", {}, svg).textContent = title;
      const described = [words.descriptions[resetsState ? "GRU_reset_before" : description] ?? "", ...notes].filter(Boolean).join(" ");
      svgElement("desc", {}, svg).textContent = unrolled.fillTemplate(described, { activation: cell.activations?.cell ? label("cell") : "" });
      drawing = new Drawing(svg, { theme: context.theme, colours: context.palette?.quantity ?? {}, words, before, letters: cell.letters });
      const source = { ...trace, cell, label, valueOf: (tree) => cellMath.evaluator(trace, tree) };
      const wanted = Math.min(width / zoom, Math.max(max, width / most));
      const { width: drawn, height } = isUpright ? upright(drawing, source) : { width: wanted, height: draw(drawing, wanted, source).height };
      const scale = Math.min(zoom, width / drawn);
      for (const [name, value] of Object.entries({ viewBox: `0 0 ${drawn} ${height}`, width: drawn * scale, height: height * scale, role: "group",
        "aria-label": title })) svg.setAttribute(name, value);
      return { height, scale };
    };
    const { height, scale } = drawAt(most);
    if (height * scale > room) drawAt(Math.max(room / height, LEAST_OF_WINDOW));
    scroller.replaceChildren(svg);
    parts = [...svg.querySelectorAll("[data-part]")];
    texts = [...svg.querySelectorAll("text")];
    showChosen();
    fade();
  };

  const frame = () => {
    const { trace, step, unit } = store;
    const values = cellMath.values(trace, step, unit);
    for (const { path, value } of drawing.live.wires) {
      const now = value(values);
      const size = now === undefined ? 0 : Number.isFinite(now) ? Math.min(1, Math.abs(now)) : 1;
      path.style.strokeWidth = `${(1.8 + 4.4 * size).toFixed(2)}px`;
      path.style.strokeOpacity = (0.55 + 0.45 * size).toFixed(3);
    }
    for (const { blades, value } of drawing.live.valves) {
      const open = Math.min(1, Math.max(0, value(values) ?? NaN));
      for (const blade of blades) blade.style.transform = `scaleY(${Number.isNaN(open) ? 0.5 : 1 - open})`; // NaN: neither open nor closed
    }
    for (const { text, slot, value } of drawing.live.chips) {
      const number = value ? value(values) : values[slot];
      text.textContent = cellMath.format(number);
      if (!value) cellMath.setValue(text, trace, slot, step, unit, number);
    }
    drawing.setToken(unrolled.displayToken(trace.token(step)));
    hideCutTexts();
    highlight();
  };

  on(window, "resize", () => { // also of its height alone
    if (!store.trace || !context.width || !context.theme || heightOfWindow() === Infinity) return;
    layout();
    frame();
  });

  const unsubscribe = cellMath.focus.subscribe(store, highlight);
  return {
    relabel() {
      save.textContent = context.words.save;
      save.title = context.words.save_long;
    },
    layout,
    frame,
    needsStep: true,
    destroy: unsubscribe,
  };
}

unrolled.define("cell_diagram", build);
