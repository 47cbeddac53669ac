// What the pages do beyond links, forms and htmx: copying, taking the code of
// the first-run link, filtering lists, confirming by name, sending a form once.
// Each works on attributes; a page without scripts can do all but these.
"use strict";

(() => {
  const says = new WeakMap(); // until when a button says what it did

  // data-copy="ID": copy what the element holds; data-copied says that it was,
  // and data-selected that it could not be, and is selected.
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copy);
    const label = button.querySelector("span");
    let copied = true;
    try {
      await navigator.clipboard.writeText(source.textContent);
    } catch {
      // Without TLS there is no such clipboard beyond localhost, and the old way.
      getSelection().selectAllChildren(source);
      copied = document.execCommand("copy");
    }
    button.dataset.says ??= label.textContent;
    label.textContent = copied ? button.dataset.copied : button.dataset.selected;
    clearTimeout(says.get(button));
    says.set(button, setTimeout(() => { label.textContent = button.dataset.says; }, copied ? 1500 : 6000));
  });

  // data-filter="SELECTOR": show those whose text, or data-words, holds what is
  // typed, and the element data-none="ID" where none does.
  document.addEventListener("input", (event) => {
    const { filter, none } = event.target.dataset || {};
    if (!filter) return;
    const wanted = event.target.value.trim().toLowerCase();
    let found = false;
    for (const one of document.querySelectorAll(filter)) {
      one.hidden = !(one.dataset.words || one.textContent).toLowerCase().includes(wanted);
      found ||= !one.hidden;
    }
    if (none) document.getElementById(none).hidden = found;
  });

  // data-confirm="NAME": the form's button waits until the name is typed.
  // Of spaces in a row a page shows one.
  const shown = (name) => name.trim().replace(/\s+/g, " ");
  const confirmable = (root) => {
    for (const input of root.querySelectorAll("input[data-confirm]")) {
      const button = input.form.querySelector("button");
      const check = () => { button.disabled = shown(input.value) !== shown(input.dataset.confirm); };
      input.addEventListener("input", check);
      check();
    }
  };

  // data-from-hash="ID": the field takes what follows # in the address, which
  // then leaves the address and the history.
  const fromHash = () => {
    const place = document.querySelector("[data-from-hash]");
    if (!place || location.hash.length < 2) return;
    document.getElementById(place.dataset.fromHash).value = decodeURIComponent(location.hash.slice(1));
    history.replaceState(null, "", location.pathname + location.search);
    place.hidden = true;
  };

  // A form is sent once while its answer is awaited: of two answers a browser
  // shows the second, and what is shown once stands in the first. An answer that
  // is saved as a file (data-again), or that somebody gave up waiting for, leaves
  // the page as it is, and the form may be sent again.
  document.addEventListener("submit", (event) => {
    const form = event.target, aMinute = 60000;
    if (event.defaultPrevented || form.getAttribute("method") !== "post" || "again" in form.dataset) return;
    if ("sent" in form.dataset) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "";
    setTimeout(() => { delete form.dataset.sent; }, aMinute);
  });

  // A choice that submits its form at once: data-submit.
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
  });

  // data-most="N": a list that grows at its top keeps so many, and of those with
  // one data-row the one that was there.
  document.addEventListener("htmx:load", (event) => {
    const list = event.detail.elt.closest("[data-most]");
    const row = event.detail.elt.dataset.row;
    if (list && row && list.querySelectorAll(`[data-row="${CSS.escape(row)}"]`).length > 1) event.detail.elt.remove();
    while (list && list.children.length > Number(list.dataset.most)) list.lastElementChild.remove();
  });

  // What is shown once is not to be gone back to: a browser may keep a page in
  // memory that was left, and what it shows may be of a session that has ended.
  window.addEventListener("pagehide", () => {
    for (const text of document.querySelectorAll(".copy pre")) text.textContent = "";
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) location.replace(location.pathname + location.search);
  });

  document.addEventListener("DOMContentLoaded", () => { fromHash(); confirmable(document); });
  document.addEventListener("htmx:load", (event) => confirmable(event.detail.elt));
})();
