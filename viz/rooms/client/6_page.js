// The Room page: open a room, join one, and for the teacher the code and the letters on the screen. Its place in the page is an empty
// element that Streamlit draws.
const PLACE_ID = "unrolled-room";
const panel = createRoot("unrolled-room-page");
let typedLetters = "", typedName = "", problem = "", pending = null, code = null, confirmsEnd = false;

const field = (label, value, onInput, attributes) => {
  const input = element("input", { type: "text", autocomplete: "off", spellcheck: "false", ...attributes });
  input.value = value;
  input.addEventListener("input", () => onInput(input));
  return element("label", { className: "unrolled-room-field" }, element("span", { text: label }), input);
};

// The keys of a link: #room=NAME.SECRET or #room=NAME.SECRET.screen; they leave the address, which is shared and stored.
function readLink() {
  const found = location.hash.match(/^#room=([0-9a-f]{32})\.([0-9a-f]{32})(\.screen)?$/);
  if (!found) return;
  history.replaceState(history.state, "", location.pathname + location.search);
  const keys = { room: found[1], secret: found[2] };
  if (found[3]) return room.join(keys, "", true);
  if (room.stored && room.stored.room !== keys.room) room.leave();
  if (!room.stored) pending = keys;
}

async function joinByLetters() {
  const keys = await room.find(typedLetters);
  problem = keys ? "" : words("no_such_letters");
  if (keys) room.join(keys, typedName);
  else drawPanel();
}

function entrance() {
  const name = field(words("nickname"), typedName, (input) => { typedName = input.value; }, { maxlength: 24, name: "nickname" });
  if (pending) {
    return [element("h2", { text: words("join_title") }), element("p", { text: words("join_text") }), name,
      button(words("join"), () => { const keys = pending; pending = null; room.join(keys, typedName); }, { "data-primary": true, "data-act": "join" })];
  }
  const letters = field(words("letters"), typedLetters, (input) => { typedLetters = input.value; },
    { maxlength: 8, name: "letters", autocapitalize: "characters", className: "unrolled-room-letters-field" });
  letters.querySelector("input").addEventListener("keydown", (event) => { if (event.key === "Enter") joinByLetters(); });
  return [
    element("section", {}, element("h2", { text: words("join_title") }), element("p", { text: words("letters_text") }),
      element("div", { className: "unrolled-room-row" }, letters, name, button(words("join"), joinByLetters, { "data-primary": true, "data-act": "join" })),
      problem && element("p", { role: "alert", text: problem })),
    element("section", {}, element("h2", { text: words("open_title") }), element("p", { text: words("open_text") }),
      !room.words.host && element("p", { className: "unrolled-muted", text: words("only_here") }),
      element("div", { className: "unrolled-room-row" },
        button(words("open"), () => room.open(), { "data-primary": true, "data-act": "open" }),
        room.own && button(words("reopen"), () => room.open(room.own), { "data-act": "reopen" }))),
  ];
}

function teacherPanel() {
  const link = room.link();
  const place = new URL("room", room.site());
  const valid = room.people?.letters_valid !== false;
  const image = code?.link === link ? element("img", { src: code.image, alt: words("code"), className: "unrolled-room-code" }) : null;
  if (code?.link !== link) {
    code = { link, image: "" };
    room.send({ type: "code", link });
  }
  return [element("div", { className: "unrolled-room-screen" }, image?.src ? image : element("div", { className: "unrolled-room-code" }),
    element("div", {},
      element("p", { text: words("go_to") }), element("p", { className: "unrolled-room-address", text: place.host + place.pathname }),
      element("p", { text: words("and_type") }),
      element("p", { className: "unrolled-room-letters", "data-letters": true, "data-invalid": !valid, text: room.keys.letters }),
      !valid && element("p", { role: "alert", text: words("letters_over") }),
      element("p", { "data-count": room.people?.count ?? 0, text: words("following", presence()) }),
      !room.words.host && element("p", { role: "alert", text: words("only_here") }),
      element("div", { className: "unrolled-room-row" },
        button(words("copy_link"), async (event) => {
          const pressed = event.currentTarget;
          try { await navigator.clipboard.writeText(link); } catch { window.prompt(words("copy_link"), link); }
          pressed.textContent = words("copied");
        }, { "data-act": "copy", "data-link": link }),
        button(words("new_letters"), () => { code = null; room.renewLetters(); }, { "data-act": "letters" }),
        button(words("screen"), () => window.open(`${new URL(`?lang=${room.lang}`, base)}#room=${room.keys.room}.${room.keys.secret}.screen`, "_blank", "noopener"), { "data-act": "screen" }),
        confirmsEnd ? button(words("end_now"), () => { confirmsEnd = false; room.send({ type: "end" }); }, { "data-act": "end-now" })
          : button(words("end"), () => { confirmsEnd = true; drawPanel(); }, { "data-act": "end" })))),
    element("p", { className: "unrolled-muted", text: words("teacher_text") })];
}

function contents() {
  if (!room.role) return [problem === "" && room.refused === "ended" && element("p", { role: "alert", text: words("ended") }), ...entrance()];
  if (room.state !== "open") {
    return [element("p", { role: "status", text: words(["gone", "full", "away"].includes(room.refused) ? room.refused : "connecting") }),
      button(words("leave"), room.leave, { "data-act": "leave" })];
  }
  if (room.isTeacher) return teacherPanel();
  return [element("p", { role: "status", text: words(target ? "you_follow" : "no_view_yet") }), target && button(words("go_back"), room.goBack, { "data-primary": true, "data-act": "back" })];
}

function drawPanel() {
  const place = document.getElementById(PLACE_ID);
  if (!place || !room.words) return;
  const focused = panel.contains(document.activeElement) ? document.activeElement.name || document.activeElement.dataset.act : null;
  panel.replaceChildren(...contents().filter(Boolean));
  if (panel.parentNode !== place) place.replaceChildren(panel);
  if (focused) panel.querySelector(`[name="${focused}"], [data-act="${focused}"]`)?.focus();
}

// The presenter's buttons, which Streamlit draws: what they show or ask is in their attributes.
document.addEventListener("click", ({ target: pressed }) => {
  const found = pressed instanceof Element ? pressed.closest("[data-room-show], [data-room-ask]") : null;
  if (!found || !room.isTeacher) return;
  if (found.dataset.roomShow) room.showAddress(found.dataset.roomShow);
  if (found.dataset.roomAsk) room.ask(JSON.parse(found.dataset.roomAsk));
});

setInterval(() => {
  const place = document.getElementById(PLACE_ID);
  if (place && panel.parentNode !== place) {
    if (!room.words) loadWords();
    drawPanel();
  }
}, LOOK_EVERY);
room.listeners.add((message) => {
  if (message.type === "code") code = { ...code, image: message.image };
  if (["code", "state", "members", "words", "left", "view", "refused", "ended", "opened"].includes(message.type)) drawPanel();
});

document.body.append(sheet, strip);
sheet.hidden = strip.hidden = true;
window.addEventListener("hashchange", () => { readLink(); drawPanel(); });
readLink();
if (room.stored) connect();
loadWords();
