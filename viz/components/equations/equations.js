// The cell's equations, line by line in the order of computation: symbols, live values of one unit, or shapes.
function build(context) {
  const { root, store, on } = context;
  const { cellMath, element: html } = unrolled;
  const FORMS = ["numbers", "symbols", "shapes"];
  const buttons = FORMS.map((form) => html("button", { type: "button", "data-form": form }));
  const choice = html("div", { className: "unrolled-choice", role: "group" }, ...buttons);
  const caption = html("p", { className: "unrolled-muted" });
  const list = html("div", { className: "lines", role: "list" });
  root.append(html("div", { className: "head" }, choice, caption), list);
  let built = "", slots = [], lines = [];

  const choose = (form) => {
    root.dataset.form = form;
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.form === form));
    updateCaption();
  };
  const updateCaption = () => {
    const names = store.trace?.unit_names;
    caption.textContent = unrolled.fillTemplate(context.words.captions[root.dataset.form],
      { unit: names?.[store.unit] ?? store.unit, step: store.step + 1 });
  };
  let hostForm = "numbers"; // the form that the host last set or received
  for (const button of buttons) on(button, "click", () => {
    hostForm = button.dataset.form;
    choose(hostForm);
    context.report("form", hostForm);
  });

  const quantityOf = (target) => target.closest?.("[data-part]")?.dataset.part ?? null;
  on(list, "pointerover", (event) => cellMath.focus.set(store, quantityOf(event.target)));
  on(list, "pointerleave", () => cellMath.focus.set(store, null));
  on(list, "click", (event) => {
    const quantity = quantityOf(event.target);
    if (quantity && String(getSelection()) === "") store.set({ quantity });
  });
  const highlight = () => {
    const focus = cellMath.focus.get(store);
    for (const line of lines) line.classList.toggle("on", line.dataset.part === focus);
  };

  const layout = () => {
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
        const cell = html("div", { className: `unrolled-math form ${form}` });
        cell.innerHTML = line[form]; // made by viz/formulas.py; contains no text of the reader's
        unrolled.wrapMath(cell);
        row.append(cell);
      }
      row.append(html("p", { className: "sentence" }));
      return row;
    });
    list.replaceChildren(...lines, ...definitions.map((definition) => {
      const cell = html("div", { className: "unrolled-math form definition" });
      cell.innerHTML = definition;
      unrolled.wrapMath(cell);
      return html("div", { className: "line", role: "listitem" }, html("span"), html("span", { className: "name", text: context.words.definition }), cell);
    }));
    slots = [...list.querySelectorAll("[data-slot]")].map((node) => {
      const before = node.previousElementSibling;
      const isOperand = before?.localName === "mo" && "+×−".includes(before.textContent);
      return { node, slot: node.dataset.slot, isOperand };
    });
    highlight();
  };

  const frame = () => {
    const { trace, step, unit } = store;
    if (trace.kind !== context.data.kind) return; // the trace arrived before its equations
    const values = cellMath.values(trace, step, unit);
    for (const { node, slot, isOperand } of slots) {
      const value = values[slot];
      const text = cellMath.format(value);
      const shown = isOperand && text.startsWith("−") ? `(${text})` : text;
      if (node.textContent !== shown) node.textContent = shown;
      cellMath.setValue(node, trace, slot, step, unit, value);
    }
    for (const line of lines) {
      const text = unrolled.valueSentences(context.words.sentences, trace, step, unit, line.dataset.part);
      const node = line.querySelector(".sentence");
      if (node.textContent !== text) node.textContent = text;
    }
    updateCaption();
  };

  choose("numbers");
  const unsubscribe = cellMath.focus.subscribe(store, highlight);
  return {
    relabel() {
      choice.setAttribute("aria-label", context.words.form);
      for (const button of buttons) button.textContent = context.words.forms[button.dataset.form];
      updateCaption();
    },
    update() {
      const { form = "numbers" } = context.data;
      if (form === hostForm) return;
      hostForm = form;
      choose(form);
    },
    layout,
    frame,
    needsStep: true,
    destroy: unsubscribe,
  };
}

unrolled.define("equations", build);
