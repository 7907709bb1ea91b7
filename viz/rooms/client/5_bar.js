// The bar at the bottom of every page of a room: whether the page follows; for the teacher, who follows, and a menu of questions.
const strip = createRoot("unrolled-room-strip");
strip.setAttribute("role", "region");
const QUESTION_ICON = "M10 2a8 8 0 1 0 0 16 8 8 0 0 0 0-16zm-.9 11.2h1.8V15H9.1zm.9-8.2a3.2 3.2 0 0 1 1.7 5.9c-.6.4-.8.6-.8 1.3H9.1c0-1.600.8-2.200 1.500-2.700a1.400 1.400 0 1 0-2.200-1.200H6.700A3.200 3.200 0 0 1 10 5z";
room.people = null;
const presence = () => ({ n: room.people?.following ?? 0, count: room.people?.count ?? 0 });
let menu = null; // the questions to choose from: null, "loading", or a list
let serial = 0;
let showsPeople = false;
let isOnRoomPage = false; // as the bar was drawn

function toggleMenu() {
  if (menu) {
    menu = null;
    return drawStrip();
  }
  const place = room.place();
  menu = place ? "loading" : [];
  serial += 1;
  if (place) room.send({ type: "questions", ...place, serial });
  drawStrip();
}

function menuElement() {
  const box = element("div", { className: "unrolled-room-menu", role: "menu", "aria-label": words("ask") });
  if (menu === "loading") box.append(element("p", { className: "unrolled-muted", text: words("computing") }));
  else if (!menu.length) box.append(element("p", { className: "unrolled-muted", text: words("nothing_to_ask") }));
  else {
    box.append(...menu.map((each) => button(inLanguage(each.ask), () => {
      menu = null;
      drawStrip();
      room.ask(each);
    }, { role: "menuitem" })));
  }
  return box;
}

function peopleElement() {
  const names = room.people?.names ?? [];
  const named = names.filter(([name]) => name);
  const box = element("div", { className: "unrolled-room-menu unrolled-room-people", role: "dialog", "aria-label": words("people") });
  box.append(element("p", { text: words("following", presence()) }));
  if (named.length) {
    box.append(element("ul", {}, ...named.map(([name, follows]) =>
      element("li", { text: follows ? name : words("wanders", { name }) }))));
  }
  if (names.length > named.length) box.append(element("p", { className: "unrolled-muted", text: words("unnamed", { n: names.length - named.length }) }));
  return box;
}

function teacherStrip() {
  const people = button(words("following_short", presence()),
    () => { showsPeople = !showsPeople; menu = null; drawStrip(); }, { "aria-expanded": String(showsPeople), "data-act": "people", title: words("people") });
  const asking = button("", toggleMenu, { "aria-expanded": String(Boolean(menu)), "data-act": "ask", "data-primary": true });
  asking.append(icon(QUESTION_ICON), words("ask"));
  const back = element("a", { href: roomAddress(), text: words("room", { letters: room.keys?.letters ?? "" }), "data-act": "room", onClick: (event) => {
    event.preventDefault();
    openAddress(roomAddress());
  } });
  isOnRoomPage = !isLens(readAddress(location.href));
  const opens = isOnRoomPage && target && button(words("open_view"), room.openView, { "data-act": "open-view" });
  return [back, opens, people, !ask.question && asking];
}

// The Room page, with the section of the lesson that was last open there.
const roomAddress = () => {
  const url = new URL("room", base);
  url.search = room.stored?.lesson ?? "";
  url.searchParams.set("lang", room.lang ?? "en");
  return url.href;
};

function studentStrip() {
  if (room.following) return [element("span", { text: words(target ? "you_follow" : "no_view_yet"), "data-following": true })];
  return [element("span", { text: words("you_wander") }), button(words("go_back"), room.goBack, { "data-primary": true, "data-act": "back" })];
}

function drawStrip() {
  const hasEnded = !room.role && room.refused === "ended";
  const isShown = Boolean(room.words && (hasEnded || (room.state !== "none" && room.role && room.role !== "screen")));
  strip.toggleAttribute("hidden", !isShown);
  if (room.state === "none" || !room.role) delete document.documentElement.dataset.room;
  else document.documentElement.dataset.room = room.role;
  if (!isShown) return strip.replaceChildren();
  const focused = document.activeElement?.closest?.(".unrolled-room-strip") ? document.activeElement.dataset.act : null;
  strip.setAttribute("aria-label", words("strip"));
  const line = element("div", { className: "unrolled-room-row" });
  if (hasEnded) line.append(element("span", { text: words("ended") }), button(words("close"), () => { room.refused = null; drawStrip(); }, { "data-act": "close" }));
  else if (room.state !== "open") line.append(element("span", { "data-lost": true, text: words(room.state === "lost" ? "lost" : "connecting") }));
  else line.append(...(room.isTeacher ? teacherStrip() : studentStrip()).filter(Boolean));
  if (room.role === "student") line.append(button(words("leave"), room.leave, { "data-act": "leave" }));
  strip.replaceChildren(...[showsPeople && room.isTeacher && peopleElement(), menu && room.isTeacher && menuElement(), line].filter(Boolean));
  if (focused) strip.querySelector(`[data-act="${focused}"]`)?.focus();
}

window.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !(menu || showsPeople)) return;
  menu = null;
  showsPeople = false;
  drawStrip();
});
setInterval(() => {
  if (!room.isTeacher) return;
  const now = readAddress(location.href);
  const { lesson, section = 1 } = now.params;
  const shown = lesson && String(new URLSearchParams({ lesson, section }));
  if (!isLens(now) && shown && shown !== room.stored.lesson) room.store({ lesson: shown });
  if (isOnRoomPage === isLens(now)) drawStrip();
}, LOOK_EVERY);
room.listeners.add((message) => {
  switch (message.type) {
    case "members":
      room.people = message;
      break;
    case "questions":
      if (message.serial === serial && menu) menu = message.questions;
      break;
    case "view": case "state": case "words": case "left": case "question": case "done": case "shown": case "ended":
      break;
    default:
      return;
  }
  drawStrip();
});
