// Two views that stand at one step and one unit: where one goes, the other follows.
export default function ({ data, parentElement }) {
  // The wrapper would otherwise keep an empty row of the page's layout.
  const row = parentElement.closest(".stElementContainer, [data-testid='stElementContainer']");
  if (row) row.style.display = "none";
  const [leader, follower] = data.views.map(unrolled.store);
  let following = false; // a shorter trace stops where it ends: that is no wish to go there
  const go = (from, to) => {
    if (following || !from.trace || !to.trace) return;
    following = true;
    to.set({ step: from.step, unit: from.unit });
    following = false;
  };
  const leave = [
    leader.subscribe(() => go(leader, follower)),
    follower.subscribe((changed) => (changed.has("trace") ? go(leader, follower) : go(follower, leader))),
  ];
  return () => leave.forEach((stop) => stop());
}
