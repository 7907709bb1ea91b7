// Steps by a finger: to the left the next step, to the right the one before, and a further one for each STRIDE pixels of the same
// stroke. Strokes up and down still scroll the page, and where `element` scrolls sideways, a stroke scrolls it.
unrolled.swipe ??= (context, element) => {
  const { store } = context;
  const FIRST = 28, STRIDE = 44; // pixels
  let from = null; // {id, x, y, step} where the stroke began
  const scrolls = () => element.scrollWidth > element.clientWidth + 1;
  // The browser decides by this property, before any event, whether a stroke scrolls.
  new ResizeObserver(() => { element.style.touchAction = scrolls() ? "" : "pan-y pinch-zoom"; }).observe(element);
  context.on(element, "pointerdown", ({ pointerType, pointerId: id, clientX: x, clientY: y, isPrimary }) => {
    from = pointerType === "touch" && isPrimary && !scrolls() && store.trace ? { id, x, y, step: store.step } : null;
  });
  context.on(element, "pointermove", ({ pointerId, clientX, clientY }) => {
    if (from?.id !== pointerId) return;
    const across = clientX - from.x;
    if (Math.abs(across) < FIRST || Math.abs(across) < Math.abs(clientY - from.y)) return;
    unrolled.tooltip(null);
    const step = from.step - Math.sign(across) * (1 + Math.floor((Math.abs(across) - FIRST) / STRIDE));
    store.set({ step: Math.min(Math.max(step, 0), store.trace.steps - 1) });
  });
  for (const type of ["pointerup", "pointercancel"]) context.on(element, type, () => { from = null; });
};
