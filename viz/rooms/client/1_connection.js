// The connection of this page to a room, kept in the tab's own storage, so that a reload comes back to the room.
window.unrolled ??= {};
const STORED = "unrolled-room"; // in sessionStorage: {role, key | room, secret, me, name, turn, lesson}
const OWN_ROOM = "unrolled-own-room"; // in localStorage: {key, turn} of the room that a teacher opened last, for a tab that was closed
const PING = 10000, SILENCE = 25000; // ms between two signs of life to the server, and without one from it until it is lost
const WAITS = [300, 600, 1200, 2500, 5000]; // ms before each attempt to connect again
const GIVE_UP = 15 * 60 * 1000; // ms after which a room that is gone is no longer tried

const base = new URL(".", window.__streamlit?.BACKEND_BASE_URL ? `${window.__streamlit.BACKEND_BASE_URL.replace(/\/*$/, "")}/` : document.baseURI);
const randomKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

const readJson = (read) => {
  try { return JSON.parse(read()); } catch { return null; }
};
const writeStored = (value) => {
  try {
    if (value) sessionStorage.setItem(STORED, JSON.stringify(value));
    else sessionStorage.removeItem(STORED);
  } catch { /* a browser that stores nothing: the room ends with the page */ }
};

// One object for this page. Listeners are called with each message of the server, and with {type: "state"} when the connection changed.
const room = {
  base,
  page: randomKey().slice(0, 8), // part of each message of this page
  stored: readJson(() => sessionStorage.getItem(STORED)),
  state: "none", // "none", "connecting", "open", "lost"
  refused: null, // why the server refused: "gone", "full", "letters"
  keys: null, // of the teacher: {room, secret, letters}
  listeners: new Set(),

  get role() { return room.stored?.role ?? null; },
  get isTeacher() { return room.role === "teacher"; },
  get isFollower() { return room.role === "student" || room.role === "screen"; },

  send(message) {
    if (room.state === "open") socket.send(JSON.stringify({ ...message, page: room.page }));
  },
  store(changes) {
    room.stored = { ...room.stored, ...changes };
    writeStored(room.stored);
  },
  // Open a new room, or the teacher's own one again.
  open(own = { key: randomKey(), turn: 0 }) {
    room.stored = { role: "teacher", ...own };
    writeStored(room.stored);
    connect();
  },
  get own() { return readJson(() => localStorage.getItem(OWN_ROOM)); },
  set own(value) {
    try {
      if (value) localStorage.setItem(OWN_ROOM, JSON.stringify(value));
      else localStorage.removeItem(OWN_ROOM);
    } catch { /* a browser that stores nothing */ }
  },
  join(keys, name, isScreen = false) {
    room.stored = { role: isScreen ? "screen" : "student", ...keys, me: randomKey(), name };
    writeStored(room.stored);
    connect();
  },
  // Look for the room with four letters; answers with its keys, or null.
  find(letters) {
    return new Promise((resolve) => {
      const asking = new WebSocket(address());
      asking.onopen = () => asking.send(JSON.stringify({ type: "find", letters }));
      asking.onmessage = ({ data }) => {
        const message = JSON.parse(data);
        resolve(message.type === "found" ? { room: message.room, secret: message.secret } : null);
        asking.close();
      };
      asking.onerror = asking.onclose = () => resolve(null);
    });
  },
  // New letters: the old ones are no longer valid.
  renewLetters() {
    room.store({ turn: (room.stored.turn ?? 0) + 1 });
    socket?.close();
  },
  leave() {
    room.stored = null;
    writeStored(null);
    clearTimeout(retry);
    room.state = "none";
    room.refused = room.keys = null;
    socket?.close();
    tell({ type: "left" });
  },
  link() {
    return `${new URL("room", room.site())}#room=${room.keys.room}.${room.keys.secret}`;
  },
  // The address of the server for other machines: that of this page, unless it has this machine's own name.
  site() {
    const isOwn = ["localhost", "127.0.0.1", "[::1]"].includes(base.hostname);
    if (!isOwn || !room.words?.host) return base;
    const site = new URL(base);
    site.hostname = room.words.host;
    return site;
  },
};

let socket = null;
let retry = 0, attempts = 0, lostSince = 0, heard = 0;

const address = () => {
  const found = new URL("_room/socket", base);
  found.protocol = found.protocol === "https:" ? "wss:" : "ws:";
  return found;
};

const tell = (message) => {
  for (const listener of [...room.listeners]) {
    try { listener(message); } catch (error) { console.error(error); }
  }
};

function setState(state) {
  room.state = state;
  tell({ type: "state" });
}

function connect() {
  clearTimeout(retry);
  socket?.close();
  const own = socket = new WebSocket(address());
  if (room.state !== "lost") setState("connecting");
  own.onopen = () => {
    const { role, key, turn, room: name, secret, me, name: nickname } = room.stored;
    own.send(JSON.stringify(role === "teacher" ? { type: "open", key, turn }
      : { type: "join", room: name, secret, me, name: nickname ?? "", screen: role === "screen", following: room.following !== false }));
  };
  own.onmessage = ({ data }) => {
    if (own !== socket) return;
    heard = Date.now();
    receive(JSON.parse(data));
  };
  own.onclose = () => { if (own === socket && room.stored) lose(); };
}

function receive(message) {
  if (message.type === "pong") return;
  if (message.type === "opened" || message.type === "joined") {
    attempts = lostSince = 0;
    room.refused = null;
    if (message.type === "opened") {
      room.keys = { room: message.room, secret: message.secret, letters: message.letters };
      room.store({ turn: message.turn });
      room.own = { key: room.stored.key, turn: message.turn };
    }
    setState("open");
  } else if (message.type === "refused") {
    room.refused = message.why;
  } else if (message.type === "ended") {
    const wasTeacher = room.isTeacher;
    if (wasTeacher) room.own = null;
    room.leave();
    if (!wasTeacher) room.refused = "ended";
  }
  tell(message);
}

// The server is gone, or it was restarted and the teacher's page has not opened the room there yet: try again.
function lose() {
  lostSince ||= Date.now();
  setState("lost");
  if (Date.now() - lostSince > GIVE_UP) return room.leave();
  const wait = WAITS[Math.min(attempts++, WAITS.length - 1)];
  retry = setTimeout(connect, wait * (0.75 + Math.random() / 2)); // not all of a class at once
}

setInterval(() => {
  if (room.state !== "open") return;
  if (Date.now() - heard > SILENCE) return socket.close();
  room.send({ type: "ping" });
}, PING);

unrolled.room = room;
const sheetLink = document.createElement("link");
Object.assign(sheetLink, { rel: "stylesheet", href: new URL("_room/client.css", base).href });
document.head.append(sheetLink);
