// What a reader has done in the lessons, stored in the browser. A browser may refuse to store: then it lasts as long as the session.
unrolled.components.lesson_progress = {
  invisible: true,
  mount(element, data, report) {
    const KEY = "unrolled-lessons";
    const read = () => {
      try { return window.localStorage.getItem(KEY); } catch { return null; }
    };
    const write = (text) => {
      if (text === null || text === read()) return;
      try { window.localStorage.setItem(KEY, text); } catch { /* storage is full or refused */ }
    };

    const found = read();
    // What the browser has is kept until the host has added it: its first answer may be that of a new session.
    let unread = found && found !== data.stored ? data.stored : undefined;

    function update({ stored, place }) {
      if (stored !== unread) {
        unread = undefined;
        write(stored);
      }
      const before = unrolled.lessonPlace;
      unrolled.lessonPlace = place;
      if (before === undefined || before === place) return;
      document.querySelector('[data-testid="stMain"]')?.scrollTo({ top: 0, behavior: "instant" });
    }

    if (unread !== undefined) report("stored", { text: found }); // the host adds it to its own, and stores both
    update(data);
    return { update, destroy() {} };
  },
};
