// The list of units and what they correlate with: a click on a row shows its unit, at once where its layer is the one shown.
function build(context) {
  const { root, store } = context;
  const table = unrolled.element("table");
  root.append(table);

  const correlation = (value) => {
    const track = unrolled.element("i", { className: "unrolled-correlation-bar" });
    if (value === null) return unrolled.element("td", { text: "–" });
    const fill = unrolled.element("i");
    fill.style.transform = `translateX(${value < 0 ? -100 * Math.abs(value) : 0}%) scaleX(${Math.abs(value)})`;
    track.append(fill);
    const shown = `${value < 0 ? "−" : ""}${Math.abs(value).toFixed(2)}`;
    return unrolled.element("td", {}, unrolled.element("span", { text: shown }), track);
  };

  function draw() {
    const { rows, words } = context.data;
    const head = unrolled.element("tr", {}, ...[words.property, words.unit, words.here, words.held_out, words.untrained].map((text) =>
      unrolled.element("th", { scope: "col", text })));
    table.replaceChildren(unrolled.element("thead", {}, head), unrolled.element("tbody", {}, ...rows.flatMap((row, k) => {
      const button = unrolled.element("button", { type: "button", text: row.title });
      const node = unrolled.element("tr", {
        "data-row": k, "data-property": row.name, "data-unit": row.unit, "data-layer": row.layer, "data-quantity": row.quantity,
        "data-correlation": row.correlation ?? "", "data-held-out": row.held_out ?? "", "data-tracked": row.tracked,
      }, unrolled.element("th", { scope: "row" }, button),
      unrolled.element("td", { text: `${row.layer} · ${row.unit}` }), correlation(row.correlation), correlation(row.held_out),
      unrolled.element("td", { text: row.untrained.toFixed(2) }));
      if (row.tracked || (k > 0 && !rows[k - 1].tracked)) return [node];
      return [unrolled.element("tr", {}, unrolled.element("td", { colspan: 5, className: "unrolled-muted", text: words.chance })), node];
    })));
  }

  context.on(table, "click", (event) => {
    const k = event.target.closest("tr[data-row]")?.dataset.row;
    const row = k === undefined ? null : context.data.rows[Number(k)];
    if (!row) return;
    if (row.layer === store.trace?.layer) return store.set({ unit: row.unit, quantity: row.quantity }); // the player reports it
    context.report("picked", { layer: row.layer, unit: row.unit, quantity: row.quantity, revision: context.data.view.revision });
  });

  return {
    layout: draw,
    frame() {
      for (const node of table.querySelectorAll("tr[data-row]")) {
        const { unit, layer, quantity } = node.dataset;
        const isShown = Number(unit) === store.unit && layer === store.trace.layer && quantity === store.quantity;
        if (isShown) node.setAttribute("aria-current", "true"); else node.removeAttribute("aria-current");
      }
    },
  };
}

unrolled.define("unit_ranking", build);
