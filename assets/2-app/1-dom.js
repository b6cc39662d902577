/* Writes into the page, and only what has changed: an untouched element costs no layout. */
window.monitor = window.monitor || {};
window.monitor.dom = (() => {
  function text(element, value) {
    if (element && element.textContent !== value) element.textContent = value;
  }

  function attribute(element, name, value) {
    if (element && element.getAttribute(name) !== value) element.setAttribute(name, value);
  }

  function property(element, name, value) {
    if (element && element.style.getPropertyValue(name) !== value) element.style.setProperty(name, value);
  }

  function part(element, name) {
    return element.querySelector(`[data-part="${name}"]`);
  }

  return { text, attribute, property, part };
})();
