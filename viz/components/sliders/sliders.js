// Sliders that report while they move: the next value goes out when the page has drawn what the last one made.
function build(context) {
  const { root } = context;
  const PATIENCE = 1500; // milliseconds after which an answer is no longer waited for
  const REST = 400; // milliseconds without a move after which the hand is said to rest
  const sliders = new Map(); // name -> the function that puts it at a value
  const values = {}, starts = {};
  let shown = "";
  let serial = 0, heard = 0, sentAt = 0, pending = false, later = 0;
  let drag = 0, movedAt = -Infinity, pressed = false, rested = true, resting = 0, revealing = 0;

  // Another value by the hand. Keys in a row are one drag.
  function move() {
    if (!pressed && performance.now() - movedAt > 1000) drag = Date.now();
    movedAt = performance.now();
    rested = false;
    clearTimeout(resting);
    if (context.data.rests) resting = setTimeout(rest, REST);
    send();
  }

  function rest() {
    clearTimeout(resting);
    if (rested || !context.data.rests) return;
    rested = true;
    send();
  }

  const grip = (holds) => () => {
    if (holds && !pressed) drag = Date.now();
    pressed = holds;
  };

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
    context.report("turned", { ...values, serial: ++serial, drag, rested });
  }

  // 2.20, or 10 to that power
  function written(knob, value) {
    if (knob.power) return unrolled.number(10 ** value, 3);
    const digits = Math.max(0, Math.ceil(-Math.log10(knob.step) - 1e-9));
    return value.toFixed(digits).replace("-", "−");
  }

  function draw() {
    sliders.clear();
    root.replaceChildren(...context.data.knobs.map((knob) => {
      const output = unrolled.element("output");
      const slider = unrolled.element("input", { type: "range", min: knob.low, max: knob.high, step: knob.step, "aria-label": knob.label, title: knob.hint });
      const say = () => {
        output.textContent = written(knob, values[knob.name]);
        slider.setAttribute("aria-valuetext", output.textContent);
      };
      const show = (value) => {
        values[knob.name] = Math.min(Math.max(value, knob.low), knob.high);
        slider.value = values[knob.name];
        say();
      };
      show(values[knob.name] ?? knob.start);
      sliders.set(knob.name, show);
      slider.addEventListener("pointerdown", grip(true));
      for (const type of ["pointerup", "pointercancel"]) slider.addEventListener(type, grip(false));
      slider.addEventListener("input", () => {
        values[knob.name] = Number(slider.value);
        say();
        move();
      });
      slider.addEventListener("change", rest);
      return unrolled.element("label", { className: "unrolled-knob", title: knob.hint }, unrolled.element("span", { text: knob.label }), output, slider);
    }));
  }

  // Stay in the middle of the window while what stands above is still being drawn, unless the reader goes elsewhere.
  function reveal() {
    const stop = () => clearInterval(revealing);
    revealing = setInterval(() => root.scrollIntoView({ block: "center" }), 150);
    setTimeout(stop, 3000);
    for (const type of ["wheel", "pointerdown", "keydown"]) window.addEventListener(type, stop, { once: true, passive: true });
  }

  // Go where the page says, unless the hand is on the way elsewhere.
  function follow() {
    for (const { name, start, follows } of context.data.knobs) {
      if (follows && starts[name] !== start && rested) sliders.get(name)(start);
      starts[name] = start;
    }
  }

  return {
    update() {
      const next = JSON.stringify(context.data.knobs.map(({ start, ...knob }) => knob));
      if (next !== shown) draw();
      if (context.data.reveal && !shown) reveal();
      shown = next;
      follow();
      heard = Math.max(heard, context.data.heard);
      serial = Math.max(serial, heard); // a page that was left and come back to has told more than this one
      if (pending && heard >= serial) send();
    },
    destroy() {
      clearTimeout(later);
      clearTimeout(resting);
      clearInterval(revealing);
    },
  };
}

export default (component) => unrolled.mount(component, build);
