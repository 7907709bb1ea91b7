// The tokens of a sequence as running text, line breaks kept: one element each, with its step.
unrolled.runningText ??= (page, { tokens, page: [begin] }) => {
  const characters = tokens.every((token) => [...token].length <= 1);
  page.dataset.form = characters ? "characters" : "words";
  const nodes = [];
  const spans = tokens.map((token, k) => {
    const text = characters ? token.replace("␣", " ") : token;
    const span = unrolled.element("span", { role: "listitem", "data-step": begin + k, text });
    nodes.push(span);
    if (token === "⏎" || token === "\n") nodes.push(unrolled.element("br"));
    else if (!characters) nodes.push(document.createTextNode(" "));
    return span;
  });
  page.replaceChildren(...nodes);
  return spans;
};

// The step of the token under a pointer event; -1 beside them.
unrolled.tokenAt ??= (event) => {
  const span = document.elementFromPoint(event.clientX, event.clientY)?.closest(".unrolled-text-page [data-step]");
  return span ? Number(span.dataset.step) : -1;
};
