// Requests a new picture once the last one is drawn, after a pause of at least half the time that it took from its request on.
unrolled.components.redraw_timer = {
  invisible: true,
  mount(element, first, report) {
    const LONGEST = 5000; // milliseconds of a pause
    const FRAME = 100; // milliseconds after which a frame that did not come is not waited for
    const LOST = 20000; // milliseconds after which a picture that did not come is requested again
    let { turn, pause } = {};
    let requested = null; // when; null while none is on its way
    let requests = 0, timer = 0, frame = 0;

    function request() {
      clearTimeout(timer);
      if (document.hidden) return document.addEventListener("visibilitychange", request, { once: true });
      timer = setTimeout(request, LOST);
      requested ??= performance.now();
      const figures = [...document.querySelectorAll(".unrolled-updated-figure[data-in-sight]")];
      report("due", { turn, requests: ++requests, in_sight: figures.map(({ dataset }) => dataset.name) });
    }

    // A frame after the last figure its picture is on the screen. A window behind another one gets few frames a second, or none.
    function wait(frames) {
      stop();
      const next = () => {
        stop();
        if (document.querySelector(".unrolled[data-later]")) wait(1);
        else if (frames) wait(frames - 1);
        else {
          const took = requested === null ? 0 : performance.now() - requested;
          requested = null;
          timer = setTimeout(request, Math.max(pause, Math.min(took / 2, LONGEST)));
        }
      };
      frame = requestAnimationFrame(next);
      timer = setTimeout(next, FRAME);
    }

    function stop() {
      clearTimeout(timer);
      cancelAnimationFrame(frame);
      document.removeEventListener("visibilitychange", request);
    }

    function update(next) {
      if (next.turn === turn) return;
      ({ turn, pause } = next);
      wait(1);
    }

    update(first);
    return { update, destroy: stop };
  },
};
