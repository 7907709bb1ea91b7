// A text as the input of a layer: a button for each position with its word, id and input vector; beside it the table of all rows.
function build(context) {
  const { root } = context;
  let drawn = "", chosen = 0;

  function draw() {
    const { positions, rows, size, bound, colours, count, theme } = context.data;
    const { words } = context;
    root.dataset.theme = theme;
    const values = unrolled.float32(context.data.values);
    const rowOf = new Map(rows.map(({ id }, k) => [id, values.subarray(k * size, (k + 1) * size)]));
    const colourOf = (value) => colours[Math.max(0, Math.min(255, Math.round(((value / bound + 1) / 2) * 255)))];
    chosen = Math.min(chosen, positions.length - 1);
    const cell = (value) => {
      const colour = colourOf(value);
      const node = unrolled.element("td", { title: unrolled.formatNumber(value, 6), text: size <= 8 ? unrolled.formatNumber(value, 2) : "" });
      node.style.background = colour;
      node.style.color = unrolled.contrastColour(colour);
      return node;
    };
    const strip = positions.map(({ word, id }, t) => {
      const vector = unrolled.element("span", { className: "vector", "aria-hidden": "true" }, ...Array.from(rowOf.get(id).subarray(0, 16), (value) => {
        const part = unrolled.element("i");
        part.style.background = colourOf(value);
        return part;
      }));
      const button = unrolled.element("button", { type: "button", "aria-pressed": String(t === chosen), "data-step": t, "data-id": id },
        unrolled.element("span", { text: word }), unrolled.element("span", { className: "down", text: "↓" }), unrolled.element("span", { className: "id", text: String(id) }),
        unrolled.element("span", { className: "down", text: "↓" }), vector, unrolled.element("span", { className: "unrolled-muted", text: `x${[...String(t + 1)].map((digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]).join("")}` }));
      button.addEventListener("click", () => { chosen = t; draw(); });
      return button;
    });
    const { word, id } = positions[chosen];
    const numbers = Array.from(rowOf.get(id).subarray(0, 8), (value) => unrolled.formatNumber(value, 4)).join(", ") + (size > 8 ? ", …" : "");
    const table = unrolled.element("table", {}, ...rows.map((row) => unrolled.element("tr", row.id === id ? { "data-chosen": "" } : {},
      unrolled.element("th", { className: "id", text: String(row.id) }), unrolled.element("th", { text: row.word }), ...Array.from(rowOf.get(row.id), cell))));
    root.replaceChildren(
      unrolled.element("div", { className: "halves" },
        unrolled.element("div", { className: "strip" }, ...strip),
        unrolled.element("div", {}, unrolled.element("p", { className: "unrolled-heading", text: unrolled.fillTemplate(words.table, { rows: count, size }) }), unrolled.element("div", { className: "scroll" }, table),
          count > rows.length ? unrolled.element("p", { className: "unrolled-muted", text: unrolled.fillTemplate(words.more, { n: count - rows.length }) }) : "")),
      unrolled.element("div", { "data-lookup": id, text: `${unrolled.fillTemplate(words.input, { step: chosen + 1, id, word })}: (${numbers})` }),
    );
  }

  return {
    update() {
      const next = JSON.stringify(context.data);
      if (next !== drawn) {
        drawn = next;
        draw();
      }
    },
  };
}

unrolled.define("embedding_lookup", build);
