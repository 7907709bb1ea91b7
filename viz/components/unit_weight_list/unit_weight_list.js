// Lists of single weights, the largest first: each a button that chooses it.
function build(context) {
  const { root } = context;
  let built = "";

  function row({ label, at, value }, max) {
    const colours = context.palette.signed;
    const bar = unrolled.element("i");
    const share = !Number.isFinite(value) ? 1 : max > 0 ? Math.abs(value) / max : 0;
    bar.style.background = Number.isFinite(value) ? colours[value < 0 ? 40 : 215] : context.palette.not_finite;
    bar.style.transform = `translateX(${value < 0 ? -100 * share : 0}%) scaleX(${share})`;
    const button = unrolled.element("button", { type: "button", title: `${at[0]} · ${context.words.pick}`, "data-weight": at[0], "data-gate": at[1] ?? "",
      "data-row": at[2], "data-column": at[3], "data-value": String(value) },
      unrolled.element("span", { text: label }), unrolled.element("span", { className: "unrolled-correlation-bar", "aria-hidden": "true" }, bar),
      unrolled.element("output", { text: unrolled.formatNumber(value, 3) }));
    button.addEventListener("click", () => context.report("picked", { at, again: performance.now() })); // the same one may be clicked again
    return unrolled.element("li", {}, button);
  }

  return {
    layout() {
      const { lists } = context.data;
      const next = JSON.stringify(lists) + context.theme.dark;
      if (next === built) return; // keeps the scroll positions of the lists
      built = next;
      const max = Math.max(...lists.flatMap(({ rows }) => rows.map(({ value }) => (Number.isFinite(value) ? Math.abs(value) : 0))));
      root.replaceChildren(...lists.map(({ title, rows }) => unrolled.element("section", {},
        unrolled.element("p", { className: "unrolled-heading", text: title }),
        unrolled.element("ol", {}, ...rows.map((each) => row(each, max))))));
    },
  };
}

unrolled.define("unit_weight_list", build);
