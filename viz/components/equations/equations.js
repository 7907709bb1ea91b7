// The cell's equations, line by line in the order of computation: symbols, live numbers of one unit, or shapes.
export default (component) => unrolled.mount(component, (context) => {
  const { root, store, on } = context;
  const { unit: numbers, element: html } = unrolled;
  const FORMS = ["numbers", "symbols", "shapes"];
  const buttons = FORMS.map((form) => html("button", { type: "button", "data-form": form }));
  const choice = html("div", { className: "unrolled-choice", role: "group" }, ...buttons);
  const caption = html("p", { className: "unrolled-quiet" });
  const list = html("div", { className: "lines", role: "list" });
  root.append(html("div", { className: "head" }, choice, caption), list);
  let built = "", slots = [], lines = [];

  const choose = (form) => {
    root.dataset.form = form;
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.form === form));
    say();
  };
  const say = () => {
    const names = store.trace?.unit_names;
    caption.textContent = unrolled.fill(context.words.captions[root.dataset.form],
      { unit: names?.[store.unit] ?? store.unit, step: store.step + 1 });
  };
  let told = "numbers"; // the form that Python last said, or was told
  for (const button of buttons) on(button, "click", () => {
    told = button.dataset.form;
    choose(told);
    context.report("form", told);
  });

  const lineOf = (target) => target.closest?.("[data-part]")?.dataset.part ?? null;
  on(list, "pointerover", (e) => numbers.focus.set(store, lineOf(e.target)));
  on(list, "pointerleave", () => numbers.focus.set(store, null));
  on(list, "click", (e) => {
    const quantity = lineOf(e.target);
    if (quantity && String(getSelection()) === "") store.set({ quantity });
  });
  const highlight = () => {
    const focus = numbers.focus.get(store);
    for (const line of lines) line.classList.toggle("on", line.dataset.part === focus);
  };

  const rebuild = () => {
    const { lines: equations = [], definitions = [] } = context.data;
    const key = JSON.stringify([equations, definitions, context.theme, context.words]);
    if (key === built) return;
    built = key;
    lines = equations.map((line) => {
      const mark = html("span", { className: "mark", "aria-hidden": "true" });
      mark.style.background = context.palette?.quantity[line.quantity] ?? "currentColor";
      const name = html("span", { className: "name", text: context.words.names[line.quantity] });
      const row = html("div", { className: "line", role: "listitem", "data-part": line.quantity }, mark, name);
      for (const form of FORMS) {
        const cell = html("div", { className: `form ${form}` });
        cell.innerHTML = line[form]; // made by viz/formulas.py; holds no text of the reader's
        row.append(cell);
      }
      return row;
    });
    list.replaceChildren(...lines, ...definitions.map((drawn) => {
      const cell = html("div", { className: "form definition" });
      cell.innerHTML = drawn;
      return html("div", { className: "line", role: "listitem" }, html("span"), html("span", { className: "name", text: context.words.definition }), cell);
    }));
    slots = [...list.querySelectorAll("[data-slot]")].map((node) => {
      const before = node.previousElementSibling;
      const operand = before?.localName === "mo" && "+×−".includes(before.textContent);
      return { node, slot: node.dataset.slot, operand };
    });
    highlight();
  };

  const frame = () => {
    const { trace, step, unit } = store;
    if (trace.kind !== context.data.kind) return; // the trace came before its equations: no number stands in a wrong line
    const values = numbers.values(trace, step, unit);
    for (const { node, slot, operand } of slots) {
      const value = values[slot] ?? NaN;
      const text = numbers.format(value);
      const shown = operand && text.startsWith("−") ? `(${text})` : text;
      if (node.textContent !== shown) node.textContent = shown;
      numbers.mark(node, trace, slot, step, unit, value);
    }
    say();
  };

  choose("numbers");
  const forget = numbers.focus.subscribe(store, highlight);
  return {
    speak() {
      choice.setAttribute("aria-label", context.words.form);
      for (const button of buttons) button.textContent = context.words.forms[button.dataset.form];
      say();
    },
    update() {
      const { form = "numbers" } = context.data;
      if (form === told) return;
      told = form;
      choose(form);
    },
    layout: rebuild,
    frame,
    exact: true,
    destroy: forget,
  };
});
