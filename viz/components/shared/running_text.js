// The tokens of a sequence as running text, line breaks kept: one element for each token, with its step.
unrolled.runningText ??= (container, { tokens, page: [begin] }) => {
  const characters = tokens.every(unrolled.isCharacter);
  container.dataset.form = characters ? "characters" : "words";
  const nodes = [];
  const spans = tokens.map((token, k) => {
    const text = characters ? token.replace("␣", " ") : token;
    const span = unrolled.element("span", { role: "listitem", "data-step": begin + k, text });
    nodes.push(span);
    if (token === "⏎" || token === "\n") nodes.push(unrolled.element("br"));
    else if (!characters) nodes.push(document.createTextNode(" "));
    return span;
  });
  container.replaceChildren(...nodes);
  return spans;
};

// The step of the token under a pointer event; -1 for none.
unrolled.tokenAt ??= (event) => {
  const span = document.elementFromPoint(event.clientX, event.clientY)?.closest(".unrolled-running-text [data-step]");
  return span ? Number(span.dataset.step) : -1;
};
