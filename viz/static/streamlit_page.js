// Runs in Streamlit's page before Streamlit's own scripts (viz/server.py writes it there).
(() => {
  // The address of the server. Opened at /states, Streamlit would first look for its server below that address, where none is.
  const own = window.location.pathname.replace(/\/+$/, "");
  const lens = own.slice(own.lastIndexOf("/") + 1);
  if (LENSES.includes(lens)) {
    window.__streamlit = { BACKEND_BASE_URL: window.location.origin + own.slice(0, -lens.length) };
  }

  // One entry in the browser's history for a change that is worth going back to: another page, network, layer, text, run, language, edit,
  // mode or section of a lesson, and of the options in "look" another corpus, sentence or smoothing, and other arguments of a call or a training.
  // Streamlit adds an entry whenever it writes the address, also where a page fills in what the address left open, or the step moved
  // on; these replace the entry. So does what a page corrects before the reader has done anything since it was opened or gone back to.
  const FILLED = ["net", "layer", "text", "lang", "run"]; // what a page fills in where the address lacks it
  const EMPTY = ["edits", "attend", "mode"]; // what an address lacks where it is empty
  const LOOK = ["call", "corpus", "owntext", "sentence", "smoothing", "training"]; // options that an address lacks where they have their default
  const LESSON = ["lesson", "section"];
  const value = (address, name) => address.searchParams.get(name);
  const option = (address, name) => (value(address, "look") ?? "").match(new RegExp(`(?:^|;)${name}:((?:[^;\\\\]|\\\\.)*)`, "s"))?.[1];
  // The language that a screen reader speaks the page in. Written at each step it would make the browser match all styles again.
  const setLanguage = (address) => {
    const lang = value(address, "lang");
    if (/^[a-z]{2}$/.test(lang ?? "") && document.documentElement.lang !== lang) document.documentElement.lang = lang;
  };
  setLanguage(new URL(window.location.href));
  // The scripts of a room (viz/rooms/client), in a tab that is in one, opens the link to one, or is on the page that opens one.
  const loadRoom = (address) => {
    let isIn = /\/room\/?$/.test(address.pathname) || address.hash.startsWith("#room=");
    try { isIn ||= Boolean(window.sessionStorage.getItem("unrolled-room")); } catch { /* a browser that stores nothing */ }
    if (!isIn || window.unrolledRoom) return;
    window.unrolledRoom = true;
    const load = () => import(new URL("_room/client.js", `${window.__streamlit?.BACKEND_BASE_URL?.replace(/\/*$/, "/") ?? new URL(".", window.location.href)}`).href)
      .catch(() => { window.unrolledRoom = false; }); // tried again on the next page
    if (document.body) load();
    else window.addEventListener("DOMContentLoaded", load, { once: true });
  };
  loadRoom(new URL(window.location.href));
  let hasActed = false;
  for (const type of ["pointerdown", "keydown", "click", "input", "change"]) window.addEventListener(type, () => { hasActed = true; }, true);
  window.addEventListener("popstate", () => { hasActed = false; }, true);
  const push = window.history.pushState;
  window.history.pushState = function (state, title, url) {
    const [from, to] = [window.location.href, url ?? window.location.href].map((each) => new URL(each, window.location.href));
    const isOther = FILLED.some((name) => value(from, name) !== null && value(to, name) !== null && value(from, name) !== value(to, name))
      || EMPTY.some((name) => (value(from, name) ?? "") !== (value(to, name) ?? "") && value(from, "net") !== null)
      || LOOK.some((name) => option(from, name) !== option(to, name) && value(from, "lang") !== null)
      || LESSON.some((name) => value(from, name) !== value(to, name) && value(from, "lang") !== null);
    setLanguage(to);
    loadRoom(to);
    const isNew = from.pathname !== to.pathname || (hasActed && isOther);
    return (isNew ? push : this.replaceState).call(this, state, title, url);
  };

  // While the script runs, Streamlit changes its icon five times a second, and the time beside "Computing …" ten times. Each change
  // makes React begin anew to draw the elements whose scripts came late, so that on a slow computer none of them would appear before
  // the end of the run (React never gives such a retry precedence). Therefore these timers wait until nothing is left to draw, a minute at most.
  const ICON_DELAYS = [100, 200]; // ms
  const LONGEST = 60_000; // ms
  const repeat = window.setInterval;
  window.setInterval = function (callback, delay, ...values) {
    if (!ICON_DELAYS.includes(delay) || typeof callback !== "function") return repeat.call(this, callback, delay, ...values);
    const end = performance.now() + LONGEST;
    return repeat.call(this, () => {
      if (performance.now() > end || !document.querySelector('[data-testid="stSkeleton"]')) callback(...values);
    }, delay);
  };

  // The strip of a first visit (viz/pages/step/first_visit.py) is shown until one of its buttons is pressed.
  const FIRST_VISIT = "unrolled-first-visit";
  const root = document.documentElement;
  try {
    if (!window.localStorage.getItem(FIRST_VISIT)) root.dataset.firstVisit = "";
  } catch { /* a browser that stores nothing would show it at every visit */ }
  window.addEventListener("click", ({ target }) => {
    if (!(target instanceof Element) || !target.closest(".st-key-first_visit button")) return;
    delete root.dataset.firstVisit;
    try { window.localStorage.setItem(FIRST_VISIT, "over"); } catch { /* its storage is full */ }
  }, true);
})();
