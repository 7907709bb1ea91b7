// Runs in Streamlit's page before Streamlit's own scripts (viz/server.py writes it there).
(() => {
  // The address of the server. Opened at /states, Streamlit would first look for its server below that address, where none is.
  const own = window.location.pathname.replace(/\/+$/, "");
  const lens = own.slice(own.lastIndexOf("/") + 1);
  if (LENSES.includes(lens)) {
    window.__streamlit = { BACKEND_BASE_URL: window.location.origin + own.slice(0, -lens.length) };
  }

  // One entry in the browser's history for a change that is worth going back to: another page, network, layer, text, run, language, edit
  // or mode. Streamlit adds an entry whenever it writes the address, also where a page fills in what the address left open, or the
  // step moved on; these replace the entry.
  const FILLED = ["net", "layer", "text", "lang", "run"]; // what a page fills in where the address lacks it
  const EMPTY = ["edits", "attend", "mode"]; // what an address lacks where it is empty
  const push = window.history.pushState;
  window.history.pushState = function (state, title, url) {
    const [from, to] = [window.location.href, url ?? window.location.href].map((each) => new URL(each, window.location.href));
    const value = (address, name) => address.searchParams.get(name);
    const isNew = from.pathname !== to.pathname
      || FILLED.some((name) => value(from, name) !== null && value(to, name) !== null && value(from, name) !== value(to, name))
      || EMPTY.some((name) => (value(from, name) ?? "") !== (value(to, name) ?? "") && value(from, "net") !== null);
    return (isNew ? push : this.replaceState).call(this, state, title, url);
  };
})();
