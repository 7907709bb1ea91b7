// Sliders that report while they move: the next value goes out when the page has drawn what the last one made.
function build(context) {
  const { root } = context;
  const PATIENCE = 1500; // milliseconds after which an answer is no longer waited for
  const values = {};
  let shown = "";
  let serial = 0, heard = 0, sentAt = 0, pending = false, later = 0;

  function send() {
    clearTimeout(later);
    const wait = sentAt + PATIENCE - performance.now();
    if (heard < serial && wait > 0) {
      pending = true;
      later = setTimeout(send, wait);
      return;
    }
    pending = false;
    sentAt = performance.now();
    context.report("turned", { ...values, serial: ++serial });
  }

  // 2.20, or 10 to that power
  function written(knob, value) {
    if (knob.power) return unrolled.number(10 ** value, 3);
    const digits = Math.max(0, Math.ceil(-Math.log10(knob.step) - 1e-9));
    return value.toFixed(digits).replace("-", "−");
  }

  function draw() {
    root.replaceChildren(...context.data.knobs.map((knob) => {
      values[knob.name] = Math.min(Math.max(values[knob.name] ?? knob.start, knob.low), knob.high);
      const output = unrolled.element("output", { text: written(knob, values[knob.name]) });
      const slider = unrolled.element("input", {
        type: "range", min: knob.low, max: knob.high, step: knob.step, value: values[knob.name], "aria-label": knob.label, title: knob.hint,
      });
      const say = () => slider.setAttribute("aria-valuetext", output.textContent);
      say();
      slider.addEventListener("input", () => {
        values[knob.name] = Number(slider.value);
        output.textContent = written(knob, values[knob.name]);
        say();
        send();
      });
      return unrolled.element("label", { className: "unrolled-knob", title: knob.hint }, unrolled.element("span", { text: knob.label }), output, slider);
    }));
  }

  return {
    update() {
      const next = JSON.stringify(context.data.knobs);
      if (next !== shown) draw();
      shown = next;
      heard = Math.max(heard, context.data.heard);
      serial = Math.max(serial, heard); // a page that was left and come back to has told more than this one
      if (pending && heard >= serial) send();
    },
    destroy: () => clearTimeout(later),
  };
}

export default (component) => unrolled.mount(component, build);
