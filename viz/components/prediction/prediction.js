// The network's prediction at the current step: symbols, values, a class of the sequence or of the step.
function build(context) {
  const { root, store } = context;
  const forms = {};
  let form = null;
  const save = unrolled.element("button", { type: "button", className: "unrolled-save" });
  context.on(save, "click", () => {
    if (form && store.trace) unrolled.savePng(unrolled.predictionPng(context, form.pngParts()), `${store.trace.layer}-prediction-step${store.step}`);
  });

  return {
    relabel() { save.textContent = context.words.save; },
    layout() {
      const { predicts, arrays } = store.trace;
      const { options } = store.trace;
      const hasPrediction = (predicts === "class" && options.probability) || (["symbols", "tags"].includes(predicts) && arrays.top_token) || (predicts === "values" && arrays.prediction);
      const name = hasPrediction ? predicts : null;
      if (!name) {
        form = null;
        root.replaceChildren(unrolled.element("p", { className: "unrolled-muted", text: context.words.unpredicted }));
        return;
      }
      forms[name] ??= unrolled.predictions[name](context);
      if (form !== forms[name]) {
        form = forms[name];
        root.replaceChildren(...form.nodes, save);
      }
      form.layout();
    },
    frame: () => form?.frame(),
    needsStep: true,
    destroy: () => unrolled.tooltip(null),
  };
}

unrolled.define("prediction", build);
