// Keeps two views at the same step and unit.
unrolled.components.sync_views = {
  invisible: true,
  mount(element, data) {
    let unsubscribe = () => {};

    function connect({ views }) {
      unsubscribe();
      const [leader, follower] = views.map(unrolled.store);
      let following = false; // a shorter trace stops at its end, which must not move the other one back
      const move = (from, to) => {
        if (following || !from.trace || !to.trace) return;
        following = true;
        to.set({ step: from.step, unit: from.unit });
        following = false;
      };
      const stops = [
        leader.subscribe(() => move(leader, follower)),
        follower.subscribe((changed) => (changed.has("trace") ? move(leader, follower) : move(follower, leader))),
      ];
      unsubscribe = () => stops.forEach((stop) => stop());
    }

    connect(data);
    return { update: connect, destroy: () => unsubscribe() };
  },
};
