// What scrolls sideways is a stop of the tab key, so that the arrow keys scroll it; not where something inside it is one already.
// A host adds the selectors of its own elements.
window.unrolled ??= {};
unrolled.scrollStops ??= (() => {
  const WAIT = 300; // ms: at most so often while a page changes at every frame
  const selectors = [".unrolled .scroll", ".unrolled .numbers", ".unrolled-math", ".unrolled-gradient-pair math"];
  let timer = 0;

  function check() {
    timer = 0;
    for (const each of document.querySelectorAll(selectors.join())) {
      const scrolls = each.scrollWidth > each.clientWidth + 1 && /auto|scroll/.test(getComputedStyle(each).overflowX)
        && ![...each.querySelectorAll("a[href], button, [tabindex='0']")].some((inner) => inner.checkVisibility());
      if (scrolls && !each.hasAttribute("tabindex")) {
        each.setAttribute("tabindex", "0");
        each.dataset.scrolls = "";
      } else if (!scrolls && "scrolls" in each.dataset) {
        each.removeAttribute("tabindex");
        delete each.dataset.scrolls;
      }
    }
  }

  const checkLater = () => { timer ||= setTimeout(check, WAIT); };
  new MutationObserver(checkLater).observe(document, { childList: true, characterData: true, subtree: true });
  window.addEventListener("resize", checkLater);
  return {
    add(...more) {
      selectors.push(...more);
      checkLater();
    },
  };
})();
