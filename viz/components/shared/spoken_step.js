// What a screen reader speaks at the current step: a sentence in a live region once the reader has stayed at the step, never while
// the steps are played. It is the only live region of a player: the numbers beside it change at every frame.
unrolled.spokenStep ??= (() => {
  const DELAY = 600; // ms after the last change: the repeats of a pressed key are not spoken

  // The network's prediction at a step as a text such as "'l' 83.0%"; null where it predicts nothing at this step.
  function predicted(context, step) {
    const { trace } = context.store;
    const id = trace.row("top_token", step)?.[0];
    if (id !== undefined) {
      const names = trace.predicts === "tags" ? unrolled.classNames(context) : trace.vocabulary;
      const token = unrolled.displayToken(names?.[id] ?? String(id));
      return `'${token}' ${unrolled.formatPercent(trace.row("top_probability", step)?.[0])}`;
    }
    const value = trace.row("prediction", step)?.[0];
    return value === undefined ? null : unrolled.formatNumber(value);
  }

  // sentence(): the text to speak, called when it is spoken.
  return Object.assign((sentence) => {
    const element = unrolled.element("p", { className: "unrolled-hidden", role: "status", "aria-live": "polite", "aria-atomic": "true" });
    let timer = 0;
    return {
      element,
      speakLater(playing) {
        clearTimeout(timer);
        if (!playing) timer = setTimeout(() => { element.textContent = sentence(); }, DELAY);
      },
      destroy: () => clearTimeout(timer),
    };
  }, { predicted });
})();
