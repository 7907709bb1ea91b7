// Equations that wrap. The browser breaks no line inside a <math> element, so an equation becomes several of them, each of which
// begins with a sign: unrolled.wrapMath(element) does so with every equation in an element.
(() => {
  if (unrolled.wrapMath) return;
  const SIGNS = "=+−";

  // The parts of a row, those of the rows inside it included. A row that begins with an absolute value's sign stays one part.
  function partsOf(row) {
    const isBar = (part) => part?.localName === "mo" && "|‖".includes(part.textContent);
    return [...row.children].flatMap((part) => (part.localName === "mrow" && !isBar(part.children[0]) ? partsOf(part) : [part]));
  }

  function pieces(math) {
    const found = [[]];
    for (const part of partsOf(math)) {
      const piece = found[found.length - 1];
      const before = piece[piece.length - 1];
      const isSign = part.localName === "mo" && SIGNS.includes(part.textContent);
      if (isSign && before && !(before.localName === "mo" && before.textContent !== ")")) {
        part.setAttribute("form", "infix"); // at the start of a row it would be the sign of a number, without spaces
        found.push([part]);
      } else piece.push(part);
    }
    return found;
  }

  unrolled.wrapMath = (element) => {
    for (const math of element.querySelectorAll("math")) {
      const [first, ...rest] = pieces(math);
      if (!rest.length) continue;
      const copies = rest.map((piece) => {
        const copy = math.cloneNode(false);
        copy.append(...piece);
        return copy;
      });
      math.replaceChildren(...first);
      math.after(...copies.flatMap((copy) => [document.createElement("wbr"), copy]));
    }
  };
})();
