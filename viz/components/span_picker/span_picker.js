// The sequence as running text, over which a span of tokens is dragged; the slider beside it does the same by keyboard.
function build(context) {
  const { root, store } = context;
  const page = unrolled.element("div", { className: "unrolled-text-page unrolled-span-page", role: "list" });
  const hint = unrolled.element("p", { className: "unrolled-quiet" });
  root.append(hint, page);
  let spans = [];
  let from = -1; // where the pointer went down
  let span = [0, -1]; // first and last step that are shown as chosen

  function show([first, last]) {
    span = [first, last];
    spans.forEach((token, k) => token.toggleAttribute("data-chosen", k + store.trace.page[0] >= first && k + store.trace.page[0] <= last));
  }

  context.on(page, "pointerdown", (event) => {
    if (event.button !== 0 || !store.trace) return;
    from = unrolled.tokenAt(event);
    if (from < 0) return;
    event.preventDefault(); // no selection of text besides
    page.setPointerCapture(event.pointerId);
    show([from, from]);
  });
  context.on(page, "pointermove", (event) => {
    const step = from < 0 ? -1 : unrolled.tokenAt(event);
    if (step >= 0) show([Math.min(from, step), Math.max(from, step)]);
  });
  context.on(page, "pointerup", () => {
    if (from < 0) return;
    from = -1;
    context.report("span", { first: span[0], last: span[1], at: performance.now() }); // the same may be chosen again
  });
  context.on(page, "pointercancel", () => {
    from = -1;
    show(context.data.span);
  });

  return {
    speak() {
      hint.textContent = context.words.hint;
      page.setAttribute("aria-label", context.words.label);
    },
    layout() {
      spans = unrolled.runningText(page, store.trace);
      show(context.data.span);
      const chosen = spans[context.data.span[0] - store.trace.page[0]];
      if (chosen && page.scrollHeight > page.clientHeight) page.scrollTop = chosen.offsetTop - page.clientHeight / 2;
    },
  };
}

export default (component) => unrolled.mount(component, build);
