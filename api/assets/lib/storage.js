// What a browser remembers for its user. Nothing depends on it.

export function remembered(key, fallback) {
  try {
    return JSON.parse(localStorage.getItem(`flotilla.${key}`)) ?? fallback;
  } catch {
    return fallback;
  }
}

export function remember(key, value) {
  try {
    localStorage.setItem(`flotilla.${key}`, JSON.stringify(value));
  } catch {
    // Private windows may refuse.
  }
}
