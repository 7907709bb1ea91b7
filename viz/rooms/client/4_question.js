// The question to the class, over the page: the students' answers, and for the teacher what arrives. Once the answer is shown it
// leaves room for the page, which plays what happened.
const ask = { question: null, own: null, received: false, shown: false, result: null, text: "" };
const sheet = createRoot("unrolled-room-sheet");
sheet.setAttribute("role", "dialog");
sheet.setAttribute("aria-live", "polite");
let sketch = null; // of the question: {mounted, element}

const answered = () => ask.result?.count ?? 0;
const RIGHT_MARK = "✓";

// A text of the question: as HTML that the server has written, else as it is.
const textOf = (html, texts) => (html ? { html: inLanguage(html) } : { text: inLanguage(texts) });

function bar(label, count, isRight, isOwn) {
  const share = answered() ? count / answered() : 0;
  const fill = element("i");
  fill.style.width = `${100 * share}%`;
  return element("li", { className: "unrolled-room-bar", "data-right": isRight, "data-own": isOwn },
    element("span", { className: "unrolled-room-label" }, isRight && `${RIGHT_MARK} `, element("span", label)),
    element("span", { className: "unrolled-room-track" }, fill),
    element("span", { className: "unrolled-room-count", text: words("votes", { n: count, percent: Math.round(100 * share) }) }));
}

function chart() {
  const { question, result, shown, own } = ask;
  if (question.form === "sketch") return null; // the drawing itself has all curves
  const rows = question.form === "choices"
    ? question.choices.map((each) => bar(textOf(each.html, each.text), result?.counts?.[each.key] ?? 0, shown && each.key === question.right, each.key === own))
    : (result?.numbers ?? []).map(([number, count]) => bar({ text: unrolled.formatNumber(number) }, count,
      shown && Math.abs(number - question.right) <= question.tolerance, number === own));
  if (shown && question.form === "number") {
    rows.unshift(element("li", { className: "unrolled-room-label", text: `${RIGHT_MARK} ${unrolled.formatNumber(question.right)}` }));
  }
  return element("ul", { className: "unrolled-room-chart" }, ...rows);
}

const give = (value) => {
  ask.own = value;
  ask.received = false;
  room.send({ type: "answer", question: ask.question.id, value });
  drawSheet();
};

function answerControls() {
  const { question, own } = ask;
  if (question.form === "choices") {
    return element("div", { className: "unrolled-room-choices", role: "group" }, ...question.choices.map((each) =>
      button(undefined, () => give(each.key), { ...textOf(each.html, each.text), "aria-pressed": String(own === each.key), "data-key": each.key })));
  }
  if (question.form === "number") {
    const input = element("input", { type: "number", step: "any", inputmode: "decimal", "aria-label": words("number") });
    if (own !== null) input.value = own;
    const sendNumber = () => { if (input.value !== "" && Number.isFinite(Number(input.value))) give(Number(input.value)); };
    input.addEventListener("keydown", (event) => { if (event.key === "Enter") sendNumber(); });
    return element("div", { className: "unrolled-room-number" }, input, button(words("send"), sendNumber, { "data-primary": true }));
  }
  return null;
}

function drawSketch(parent) {
  const { question, own, shown, result } = ask;
  const data = {
    view_id: "room_sketch", tokens: question.tokens, low: question.low, high: question.high, words: room.words.sketch,
    drawn: own, computed: shown ? question.right : null, others: shown || room.isTeacher ? result?.curves ?? [] : [],
    watches: room.role !== "student",
  };
  if (!sketch) {
    const box = element("div");
    sketch = { box, mounted: unrolled.components.sketch.mount(box, data, (event, { values }) => give(values)) };
  } else sketch.mounted.update(data);
  parent.append(sketch.box);
}

function teacherControls() {
  const { shown, question } = ask;
  const play = shown && question.after;
  return element("div", { className: "unrolled-room-row" },
    element("span", { className: "unrolled-muted", "data-answered": answered(), text: words("answered", { n: answered(), count: room.people?.count ?? 0 }) }),
    !shown && button(words("show"), () => room.send({ type: "show" }), { "data-primary": true, "data-act": "show" }),
    play && button(words("play_again"), () => room.play(question.after), { "data-act": "play" }),
    button(words("save"), () => room.send({ type: "csv", lang: room.lang }), { "data-act": "csv" }),
    button(words("end_question"), () => room.send({ type: "done" }), { "data-act": "done" }));
}

function verdict() {
  const { question, own, shown } = ask;
  if (!shown) return null;
  const isRight = question.form === "choices" ? own === question.right
    : question.form === "number" && own !== null && Math.abs(own - question.right) <= question.tolerance;
  const said = room.role !== "student" || own === null || question.form === "sketch" ? null : words(isRight ? "right" : "wrong");
  return element("p", { className: "unrolled-room-verdict" }, said && element("b", { text: `${said} ` }),
    element("span", textOf(question.explain_html, question.explain)));
}

function drawSheet() {
  const { question, shown, received } = ask;
  const isOpen = Boolean(question && room.words && room.state !== "none");
  sheet.toggleAttribute("hidden", !isOpen);
  document.documentElement.toggleAttribute("data-room-question", isOpen && !shown);
  if (!isOpen) {
    sketch?.mounted.destroy();
    sketch = null;
    sheet.replaceChildren();
    return;
  }
  const typed = sheet.querySelector("input")?.value;
  sheet.toggleAttribute("data-shown", shown);
  const title = element("h2", textOf(question.ask_html, question.ask));
  sheet.setAttribute("aria-label", title.textContent);
  const body = element("div", { className: "unrolled-room-body" }, title);
  sheet.replaceChildren(body);
  if (question.form === "sketch") drawSketch(body);
  if (room.role === "student" && !shown) {
    const controls = answerControls();
    if (controls) body.append(controls);
    const waits = ask.own !== null && words(room.state !== "open" ? "will_send" : received ? "received" : "sending");
    if (waits) body.append(element("p", { className: "unrolled-muted", "data-received": received, text: waits }));
  }
  if (room.isTeacher || shown) body.append(...[chart()].filter(Boolean));
  const said = verdict();
  if (said) body.append(said);
  if (room.isTeacher) body.append(teacherControls());
  else if (shown) body.append(button(words("close"), () => { ask.question = null; drawSheet(); }, { "data-act": "close" }));
  const input = sheet.querySelector("input");
  if (input && typed) input.value = typed;
}

room.ask = (question) => room.send({ type: "ask", question });

room.listeners.add((message) => {
  switch (message.type) {
    case "question":
      if (ask.question?.id !== message.question.id) {
        sketch?.mounted.destroy();
        sketch = null;
        Object.assign(ask, { own: null, received: false, result: null });
      }
      Object.assign(ask, { question: message.question, shown: false });
      // after a lost connection the answer is sent again
      if (room.role === "student" && ask.own !== null) room.send({ type: "answer", question: ask.question.id, value: ask.own });
      break;
    case "answers":
      if (ask.question?.id !== message.question) return;
      ask.result = message.result;
      break;
    case "received":
      ask.received ||= ask.question?.id === message.question;
      break;
    case "shown":
      Object.assign(ask, { question: message.question, shown: true, result: message.result });
      if (message.question.after && (room.isTeacher || room.following)) room.play(message.question.after);
      break;
    case "csv":
      return download(message.text, "answers.csv", "text/csv");
    case "done": case "left":
      Object.assign(ask, { question: null, own: null, result: null, shown: false });
      break;
    case "words":
      sketch?.mounted.destroy();
      sketch = null;
      break;
    case "state": case "members":
      break;
    default:
      return;
  }
  drawSheet();
});
