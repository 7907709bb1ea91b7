// A button that copies the page's address.
function build(context) {
  const { root } = context;
  const button = unrolled.element("button", { type: "button", "aria-live": "polite" });
  root.append(button);
  let timer = 0;

  const setText = (text) => { if (button.textContent !== text) button.textContent = text; };
  const reset = () => {
    timer = 0;
    setText(context.words.copy);
  };

  context.on(button, "click", async () => {
    const { words } = context;
    const address = window.location.href;
    try {
      await navigator.clipboard.writeText(address);
    } catch { // there is no clipboard outside https and localhost
      window.prompt(words.by_hand, address);
      return;
    }
    clearTimeout(timer);
    setText(words.copied);
    timer = setTimeout(reset, 2500);
  });

  return {
    relabel() {
      if (!timer) setText(context.words.copy);
      button.title = context.words.hint;
    },
    destroy: () => clearTimeout(timer),
  };
}

unrolled.define("copy_link", build);
