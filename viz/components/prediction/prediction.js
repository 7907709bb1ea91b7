// What the network predicts at the current step: symbols or values, as the trace has it.
function build(context) {
  const { root, store } = context;
  const forms = {};
  let form = null;
  const save = unrolled.element("button", { type: "button", className: "unrolled-save" });
  context.on(save, "click", () => {
    if (form && store.trace) unrolled.save(unrolled.predictionPicture(context, form.parts()), `${store.trace.layer}-prediction-step${store.step}`);
  });

  return {
    speak() { save.textContent = context.words.save; },
    layout() {
      const { predicts, arrays } = store.trace;
      const { options } = store.trace;
      const able = (predicts === "class" && options.probability) || (predicts === "symbols" && arrays.top_token) || (predicts === "values" && arrays.prediction);
      const name = able ? predicts : null;
      if (!name) {
        form = null;
        root.replaceChildren(unrolled.element("p", { className: "unrolled-quiet", text: context.words.unpredicted }));
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
    exact: true,
    destroy: () => unrolled.note(null),
  };
}

export default (component) => unrolled.mount(component, build);
