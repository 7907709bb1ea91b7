// The controls over the training steps of a run, and the scalars at the step that is shown.
function build(context) {
  const { root, store } = context;
  const numbers = unrolled.element("dl");
  const token = () => store.trace.token(store.step);
  const playback = unrolled.playback(context, () => [unrolled.fillTemplate(context.words.spoken, { token: token() }), numbers.innerText].join(". "));
  root.setAttribute("role", "region");
  root.append(playback.element, numbers);

  // The value of a scalar at the step that is shown; null where none was recorded.
  function valueOf(scalar) {
    const curve = store.trace.options.curves[scalar];
    const place = curve ? curve.at.indexOf(store.step) : -1;
    return place < 0 ? null : Number(curve.values[place]);
  }

  function showNumbers() {
    const { words, data } = context;
    const step = store.trace.options.training_steps[store.step];
    numbers.setAttribute("aria-label", unrolled.fillTemplate(words.numbers, { token: token() }));
    const groups = data.groups.map(({ title, scalars }) => {
      const found = scalars.map(([scalar, name]) => [scalar, name, valueOf(scalar)]).filter(([, , value]) => value !== null);
      return found.length && unrolled.element("div", {}, unrolled.element("dt", { text: title }), ...found.map(([scalar, name, value]) =>
        unrolled.element("dd", { text: `${name} `.trimStart() },
          unrolled.element("b", { "data-quantity": scalar, "data-step": step, "data-value": value, text: unrolled.formatNumber(value) }))));
    }).filter(Boolean);
    numbers.replaceChildren(...(groups.length ? groups : [unrolled.element("div", {}, unrolled.element("dt", { text: words.none }))]));
  }

  return {
    relabel: playback.relabel,
    update: playback.update,
    layout: playback.layout,
    frame(changed) {
      playback.frame(changed);
      showNumbers();
    },
    destroy: playback.destroy,
  };
}

unrolled.define("training_player", build);
