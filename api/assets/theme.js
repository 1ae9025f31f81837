// Runs before anything is painted, so that a chosen theme does not flash in.
try {
  const chosen = JSON.parse(localStorage.getItem("flotilla.theme"));
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // Without storage, the page looks as the system says.
}
