// What an edit holds in the place of what the cell computes: brackets under the cells of the strip, and words below it.
unrolled.held = (context) => {
  const { store } = context;
  const MOST = 4, LANES = 2, THICK = 3;
  const element = unrolled.element("ul", { className: "unrolled-held" });
  const all = () => store.trace?.options?.held ?? [];
  const own = ({ unit }) => unit === null || unit === store.unit;
  const covers = ({ steps: [first, last] }, step) => first <= step && step <= last;

  // What is said of one: its gate or state, whose, and when.
  function told({ quantity, unit, steps: [first, last] }) {
    const { words } = context;
    return unrolled.fill(unit === null ? words.held_all : words.held, {
      quantity: words.quantities[quantity] ?? quantity, unit, steps: first === last ? first + 1 : `${first + 1}–${last + 1}`,
    });
  }

  return {
    element,
    layout() {
      const shown = all().slice(0, MOST);
      element.hidden = !shown.length;
      element.replaceChildren(...shown.map((each) => {
        const swatch = unrolled.element("i");
        swatch.style.borderColor = context.palette.quantity[each.quantity];
        return unrolled.element("li", { "data-quantity": each.quantity, "data-held": each.steps.join("-"), "data-unit": each.unit ?? "all" },
          swatch, told(each));
      }), ...(all().length > MOST ? [unrolled.element("li", { text: "…" })] : []));
    },
    // The quantity of the chosen unit is held at this step.
    at: (step) => all().some((each) => each.quantity === store.quantity && own(each) && covers(each, step)),
    // Under one cell, `joined` to the next by so many pixels.
    mark(pen, step, { x, width }, y, joined) {
      const here = all().filter((each) => covers(each, step)).sort((a, b) => own(b) - own(a)).slice(0, LANES);
      here.forEach((each, lane) => {
        const [first, last] = each.steps;
        const below = y + 2 + lane * (THICK + 1);
        pen.fillStyle = context.palette.quantity[each.quantity];
        pen.globalAlpha = own(each) ? 1 : 0.4; // another unit's
        pen.fillRect(x, below, width + (step < last ? joined : 0), THICK);
        if (step === first) pen.fillRect(x, below - 3, 2, THICK);
        if (step === last) pen.fillRect(x + width - 2, below - 3, 2, THICK);
        pen.globalAlpha = 1;
      });
    },
  };
};
