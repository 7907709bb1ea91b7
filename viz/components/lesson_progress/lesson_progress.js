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

    function update({ stored, place }) {
      write(stored);
      const before = unrolled.lessonPlace;
      unrolled.lessonPlace = place;
      if (before === undefined || before === place) return;
      document.querySelector('[data-testid="stMain"]')?.scrollTo({ top: 0, behavior: "instant" });
    }

    const found = read();
    if (found && found !== data.stored) report("stored", { text: found }); // the host adds it to its own, and stores both
    update(data);
    return { update, destroy() {} };
  },
};
