// The sequence as running text, over which the reader drags to choose a span of tokens; the slider beside it does the same by keyboard.
function build(context) {
  const { root, store } = context;
  const container = unrolled.element("div", { className: "unrolled-running-text unrolled-span-picker-text", role: "list" });
  const hint = unrolled.element("p", { className: "unrolled-muted" });
  root.append(hint, container);
  let spans = [];
  let dragStart = -1; // the step where the pointer was pressed
  let span = [0, -1]; // first and last step that are marked as chosen

  function show([first, last]) {
    span = [first, last];
    spans.forEach((token, k) => token.toggleAttribute("data-chosen", k + store.trace.page[0] >= first && k + store.trace.page[0] <= last));
  }

  context.on(container, "pointerdown", (event) => {
    if (event.button !== 0 || !store.trace) return;
    dragStart = unrolled.tokenAt(event);
    if (dragStart < 0) return;
    event.preventDefault(); // no text selection
    container.setPointerCapture(event.pointerId);
    show([dragStart, dragStart]);
  });
  context.on(container, "pointermove", (event) => {
    const step = dragStart < 0 ? -1 : unrolled.tokenAt(event);
    if (step >= 0) show([Math.min(dragStart, step), Math.max(dragStart, step)]);
  });
  context.on(container, "pointerup", () => {
    if (dragStart < 0) return;
    dragStart = -1;
    context.report("span", { first: span[0], last: span[1], at: performance.now() }); // `at`: the same span may be chosen again
  });
  context.on(container, "pointercancel", () => {
    dragStart = -1;
    show(context.data.span);
  });

  return {
    relabel() {
      hint.textContent = context.words.hint;
      container.setAttribute("aria-label", context.words.label);
    },
    layout() {
      spans = unrolled.runningText(container, store.trace);
      show(context.data.span);
      const chosen = spans[context.data.span[0] - store.trace.page[0]];
      if (chosen && container.scrollHeight > container.clientHeight) container.scrollTop = chosen.offsetTop - container.clientHeight / 2;
    },
  };
}

unrolled.define("span_picker", build);
