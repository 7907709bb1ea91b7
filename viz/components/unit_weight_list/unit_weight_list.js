// Lists of single weights, the largest first: each a button that picks it.
function build(context) {
  const { root } = context;
  let shown = "";

  function row({ told, at, value }, most) {
    const colours = context.palette.signed;
    const bar = unrolled.element("i");
    const share = Math.abs(value) / most || 0;
    bar.style.background = colours[value < 0 ? 40 : 215];
    bar.style.transform = `translateX(${value < 0 ? -100 * share : 0}%) scaleX(${share})`;
    const button = unrolled.element("button", { type: "button", title: `${at[0]} · ${context.words.pick}`, "data-weight": at[0], "data-gate": at[1] ?? "",
      "data-row": at[2], "data-column": at[3], "data-value": String(value) },
      unrolled.element("span", { text: told }), unrolled.element("span", { className: "unrolled-r", "aria-hidden": "true" }, bar),
      unrolled.element("output", { text: unrolled.number(value, 3) }));
    button.addEventListener("click", () => context.report("picked", { at, again: performance.now() })); // the same one may be picked again
    return unrolled.element("li", {}, button);
  }

  return {
    layout() {
      const { lists } = context.data;
      const next = JSON.stringify(lists) + context.theme.dark;
      if (next === shown) return; // keeps where the lists are scrolled to
      shown = next;
      const most = Math.max(...lists.flatMap(({ rows }) => rows.map(({ value }) => Math.abs(value))));
      root.replaceChildren(...lists.map(({ title, rows }) => unrolled.element("section", {},
        unrolled.element("p", { className: "unrolled-heading", text: title }),
        unrolled.element("ol", {}, ...rows.map((each) => row(each, most))))));
    },
  };
}

export default (component) => unrolled.mount(component, build);
