// The steps at which an edit fixes a value: brackets under the cells of the token strip, and a line of text for each.
unrolled.fixedSpans = (context) => {
  const { store } = context;
  const MAX_LISTED = 4, MAX_LANES = 2, THICKNESS = 3;
  const element = unrolled.element("ul", { className: "unrolled-fixed-spans" });
  const all = () => store.trace?.options?.fixed ?? [];
  const isOwn = ({ unit }) => unit === null || unit === store.unit;
  const covers = ({ steps: [first, last] }, step) => first <= step && step <= last;

  // Which gate or state, of which unit, at which steps.
  function describe({ quantity, unit, steps: [first, last] }) {
    const { words } = context;
    return unrolled.fillTemplate(unit === null ? words.fixed_all : words.fixed, {
      quantity: words.quantities[quantity] ?? quantity, unit, steps: first === last ? first + 1 : `${first + 1}–${last + 1}`,
    });
  }

  return {
    element,
    layout() {
      const listed = all().slice(0, MAX_LISTED);
      element.hidden = !listed.length;
      element.replaceChildren(...listed.map((span) => {
        const swatch = unrolled.element("i");
        swatch.style.borderColor = context.palette.quantity[span.quantity];
        return unrolled.element("li", { "data-quantity": span.quantity, "data-held": span.steps.join("-"), "data-unit": span.unit ?? "all" },
          swatch, describe(span));
      }), ...(all().length > MAX_LISTED ? [unrolled.element("li", { text: "…" })] : []));
    },
    // Whether the chosen quantity of the chosen unit is fixed at this step.
    at: (step) => all().some((span) => span.quantity === store.quantity && isOwn(span) && covers(span, step)),
    // Draw the brackets under one cell, `gap` pixels from the next one.
    draw(pen, step, { x, width }, y, gap) {
      const spans = all().filter((span) => covers(span, step)).sort((a, b) => isOwn(b) - isOwn(a)).slice(0, MAX_LANES);
      spans.forEach((span, lane) => {
        const [first, last] = span.steps;
        const top = y + 2 + lane * (THICKNESS + 1);
        pen.fillStyle = context.palette.quantity[span.quantity];
        pen.globalAlpha = isOwn(span) ? 1 : 0.4; // another unit's
        pen.fillRect(x, top, width + (step < last ? gap : 0), THICKNESS);
        if (step === first) pen.fillRect(x, top - 3, 2, THICKNESS);
        if (step === last) pen.fillRect(x + width - 2, top - 3, 2, THICKNESS);
        pen.globalAlpha = 1;
      });
    },
  };
};
