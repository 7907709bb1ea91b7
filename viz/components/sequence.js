export default function ({ data, parentElement }) {
  // The wrapper would otherwise keep an empty row of the page's layout.
  const row = parentElement.closest(".stElementContainer, [data-testid='stElementContainer']");
  if (row) row.style.display = "none";
  if (data) window.unrolled.store.load(data);
}
