// A teacher's page sends its view to the room; a follower's page opens it. The view of another page needs a run of the script on the
// server; steps move the players that are on the page already, without the server.
const PLACE = ["step", "unit", "quantity", "source"]; // fields of the address that a player changes
const OWN = ["lang", "mode"]; // fields that each page has of its own
const LOOK_EVERY = 200; // ms between two checks of the address
const SEND_EVERY = 50; // ms between two messages of a player's steps, at least
const GESTURE = 1500; // ms after a key or a pointer in which a change is the reader's own
const REPORT_REST = [2500, 3000]; // ms after which a follower's player reports its step to the server: least, and spread over a class
const PLAY_EVERY = 400; // ms between two steps of an answer that is played

room.following = true;

// The address of the page as the room has it: below the server's, without what each page has of its own.
function readAddress(href) {
  const url = new URL(href);
  const page = `/${url.pathname.slice(base.pathname.length).replace(/\/+$/, "")}`;
  const params = Object.fromEntries([...url.searchParams].filter(([name]) => !OWN.includes(name)));
  return { page, params };
}
const writeAddress = ({ page, params }) => `${page}?${new URLSearchParams(Object.entries(params).sort())}`;
const isSameView = (one, other) => one.page === other.page
  && [...new Set([...Object.keys(one.params), ...Object.keys(other.params)])].every((name) => PLACE.includes(name) || (one.params[name] ?? "") === (other.params[name] ?? ""));
// Whether a page still shows a view, whatever fields it has filled in since.
const isStill = (now, wanted) => now.page === wanted.page
  && Object.entries(wanted.params).every(([name, value]) => PLACE.includes(name) || (now.params[name] ?? "") === value);
const isLens = (address) => address.page !== "/room";

const players = () => [...(unrolled.players?.all ?? [])].map((name) => unrolled.store(name)).filter((store) => store.trace);
const places = () => Object.fromEntries(players().map(({ viewId, step, unit, quantity }) => [viewId, { step, unit, quantity }]));

// -- what the reader does
let gesture = -Infinity; // when the reader last used a key or the pointer, outside of the room's own elements
let hasActed = false; // since the page arrived at the view
for (const type of ["pointerdown", "keydown", "input", "change"]) {
  window.addEventListener(type, (event) => {
    if (!event.isTrusted || event.target?.closest?.(".unrolled-room")) return;
    gesture = performance.now();
    hasActed = true;
  }, true);
}
const isOwnGesture = () => performance.now() - gesture < GESTURE;

let target = null; // the view that the class sees: {address: {page, params}, at}

// -- a teacher's page
let told = null; // the address that was sent last
let sending = 0, sentAt = 0;

function tellView() {
  const now = readAddress(location.href);
  if (!isLens(now) || !Object.keys(now.params).length) return; // an address without a view: its page has not run yet
  const text = writeAddress(now);
  if (text === told) return;
  told = text;
  target = { address: now, at: places() }; // which the Room page asks about and returns to
  room.send({ type: "view", address: text, at: target.at });
}

function tellStepSoon() {
  if (sending) return;
  sending = setTimeout(() => {
    sending = 0;
    sentAt = performance.now();
    const at = places();
    if (target) target.at = at;
    room.send({ type: "at", at });
  }, Math.max(0, SEND_EVERY - (performance.now() - sentAt)));
}

// -- a follower's page, or another page of the teacher's
let hasArrived = false;
let applying = false;

function applyPlaces() {
  if (!target) return;
  applying = true;
  for (const [name, place] of Object.entries(target.at ?? {})) {
    if (unrolled.players?.all.has(name)) unrolled.store(name).set(place);
  }
  const { source } = target.address.params;
  if (source !== undefined) {
    for (const store of players()) if (store.trace.arrays.attention_weight) unrolled.attentionSelection?.follow(store, Number(source));
  }
  applying = false;
}

// Streamlit shows the page of an address that the reader went back or forward to.
function openAddress(url) {
  history.pushState(null, "", url);
  window.dispatchEvent(new PopStateEvent("popstate", { state: null }));
}

function applyView() {
  if (!target) return;
  const now = readAddress(location.href);
  hasActed = false;
  if (!isSameView(now, target.address)) {
    hasArrived = false;
    const place = Object.values(target.at ?? {})[0] ?? {};
    const params = { ...target.address.params };
    for (const name of ["step", "unit", "quantity"]) if (place[name] !== undefined && place[name] !== null) params[name] = place[name];
    const lang = new URL(location.href).searchParams.get("lang");
    if (lang) params.lang = lang;
    const url = new URL(base);
    url.pathname = base.pathname.replace(/\/$/, "") + target.address.page;
    url.search = new URLSearchParams(params);
    openAddress(url);
  }
  applyPlaces();
}

function setFollowing(value) {
  if (room.following === value) return;
  room.following = value;
  room.send({ type: "following", value });
  tell({ type: "state" });
}

room.goBack = () => {
  setFollowing(true);
  applyView();
};
// Show an address of the app to the class, as the presenter's buttons do.
room.showAddress = (address) => {
  told = null;
  target = { address: readAddress(new URL(address, base).href), at: {} };
  room.send({ type: "view", address: writeAddress(target.address), at: {} });
  tell({ type: "state" });
};
// Open in a teacher's page what the class sees, to step through it.
room.openView = () => {
  told = writeAddress(target.address);
  applyView();
};
// Where the teacher's page is, for questions about it.
room.place = () => {
  const now = readAddress(location.href);
  if (isLens(now)) return { address: writeAddress(now), at: places() };
  return target && { address: writeAddress(target.address), at: target.at };
};
// The players report their step to the server less often where they follow: a run of the page for each student at each step would keep
// the server from everything else.
room.reportDelay = () => (room.isFollower && room.following && room.state === "open" ? REPORT_REST[0] + Math.random() * REPORT_REST[1] : null);

// Go to a place of the player step by step, as an answer is shown.
let playing = 0;
room.play = ({ step, ...rest }) => {
  clearInterval(playing);
  const store = players().find((each) => each.viewId === unrolled.players.active) ?? players()[0];
  if (!store) return;
  const move = (place) => {
    applying = room.isFollower; // which is not the reader's own move; a teacher's is sent
    store.set(place);
    applying = false;
  };
  move(rest);
  if (step === undefined) return;
  playing = setInterval(() => {
    if (store.step === step || !store.trace || !(room.isTeacher || room.following)) return clearInterval(playing);
    move({ step: store.step + Math.sign(step - store.step) });
  }, PLAY_EVERY);
};

unrolled.store.watch((store, changed) => {
  if (applying || !unrolled.players?.all.has(store.viewId)) return;
  if (room.isTeacher) {
    if (["step", "unit", "quantity"].some((name) => changed.has(name))) tellStepSoon();
  } else if (room.isFollower && room.following) {
    if (changed.has("trace")) applyPlaces();
    else if (isOwnGesture() && room.role === "student") setFollowing(false);
  }
});

setInterval(() => {
  if (room.state === "none") return;
  const now = readAddress(location.href);
  if (room.isTeacher) {
    if (hasActed && room.state === "open") tellView();
    return;
  }
  if (!target || !room.following) return;
  if (!hasArrived) hasArrived = isStill(now, target.address);
  else if (room.role === "student" && hasActed && !isStill(now, target.address)) setFollowing(false);
}, LOOK_EVERY);

room.listeners.add((message) => {
  switch (message.type) {
    case "view":
      if (message.from === room.page) return;
      target = { address: readAddress(new URL(message.view.address.slice(1), base).href), at: message.view.at };
      if (room.isTeacher && !isLens(readAddress(location.href))) return; // the presenter's page stays
      if (room.isTeacher && message.from === null) return; // this page was reloaded: it is where it was
      if (room.isTeacher) told = writeAddress(target.address);
      if (room.isTeacher || room.following) applyView();
      return;
    case "at":
      if (message.from === room.page || !target) return;
      target.at = message.at;
      if (room.isTeacher ? isLens(readAddress(location.href)) : room.following) applyPlaces();
      return;
    case "opened": // a server that was restarted has no view yet
      told = null;
      setTimeout(() => { if (room.state === "open") tellView(); }, LOOK_EVERY);
      return;
    case "left":
      target = told = null;
      room.following = true;
  }
});
