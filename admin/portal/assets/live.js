// The streams of a page, which htmx's extension opens: they are closed while
// nobody sees the page, and go on where they stopped. A browser has six
// connections to an origin (HTTP/1.1), so that streams of six tabs that nobody
// looks at would leave none to the one that is looked at.
//
// A page that shows what goes on says so when it does not any more: body has the
// class lost while nothing comes, and over once the session has ended where the
// page is not left for that.
"use strict";

(() => {
  const streams = new Set();
  // up to where each address has come, as Last-Event-ID says it: an EventSource
  // knows that of itself alone, and the extension makes another one where the
  // browser gave one up.
  const upTo = new Map();

  // A stream says that it is there every fifteen seconds (auditlive.go): one that
  // has said nothing for three times that is dead, whatever the browser believes.
  const silence = 45e3;

  const lost = new Set();
  const mark = (what, is) => {
    if (is) lost.add(what);
    else lost.delete(what);
    document.body.classList.toggle("lost", lost.size > 0);
  };

  class Stream {
    readyState = EventSource.CONNECTING;
    onopen = null;
    onerror = null;
    #address;
    #source = null;
    #heard = [];
    #patience = 0;
    #opened = false;

    constructor(address) {
      this.#address = address;
      streams.add(this);
      this.look();
    }

    addEventListener(name, hear) {
      const take = (event) => {
        this.#alive();
        if (event.lastEventId) upTo.set(this.#address, event.lastEventId);
        hear(event);
      };
      this.#heard.push({ name, hear, take });
      if (this.#source) this.#source.addEventListener(name, take);
    }

    removeEventListener(name, hear) {
      const at = this.#heard.findIndex((one) => one.name === name && one.hear === hear);
      if (at < 0) return;
      const [one] = this.#heard.splice(at, 1);
      if (this.#source) this.#source.removeEventListener(name, one.take);
    }

    close() {
      streams.delete(this);
      this.#leave();
      mark(this.#address, false);
      this.readyState = EventSource.CLOSED;
    }

    // look opens the stream while the page is seen, and closes it else.
    look() {
      if (document.visibilityState === "hidden") this.#leave();
      else if (!this.#source) this.#come();
    }

    #come() {
      const at = new URL(this.#address, location.href);
      if (upTo.has(this.#address)) at.searchParams.set("from", upTo.get(this.#address));
      const source = this.#source = new EventSource(at);
      source.addEventListener("alive", () => this.#alive());
      for (const one of this.#heard) source.addEventListener(one.name, one.take);
      source.onopen = (event) => {
        this.readyState = source.readyState;
        this.#opened = true;
        this.#alive();
        if (this.onopen) this.onopen(event);
      };
      source.onerror = (event) => {
        this.readyState = source.readyState;
        clearTimeout(this.#patience);
        mark(this.#address, true);
        // The extension makes another one then.
        if (source.readyState === EventSource.CLOSED) {
          streams.delete(this);
          ended(at, this.#opened);
        }
        if (this.onerror) this.onerror(event);
      };
    }

    #alive() {
      mark(this.#address, false);
      document.body.classList.remove("over");
      clearTimeout(this.#patience);
      this.#patience = setTimeout(() => {
        mark(this.#address, true);
        this.#leave();
        this.look();
      }, silence);
    }

    #leave() {
      clearTimeout(this.#patience);
      if (this.#source) this.#source.close();
      this.#source = null;
      this.readyState = EventSource.CONNECTING;
    }
  }

  // ended finds out why the browser gave a stream up, which it tells nobody. Who
  // is signed out is led to the sign-in, and who may not see it any more to what
  // the page has become; but what is shown once stays as long as it is looked at.
  const ended = async (address, opened) => {
    let answer;
    try {
      answer = await fetch(address, { headers: { "HX-Request": "true", "HX-Current-URL": location.href } });
    } catch {
      return; // there is no connection: it is tried again
    }
    if (answer.body) answer.body.cancel();
    const to = answer.headers.get("HX-Redirect");
    if (!to && !(opened && (answer.status === 403 || answer.status === 404))) return;
    if (document.querySelector(".reveal")) document.body.classList.add("over");
    else location.replace(to || location.pathname + location.search);
  };

  htmx.createEventSource = (address) => new Stream(address);
  document.addEventListener("visibilitychange", () => {
    for (const stream of [...streams]) stream.look();
  });

  // Whatever else the page asks for goes the same way. It may ask once: that it
  // got nothing is not said for good.
  let asked = 0;
  document.addEventListener("htmx:sendError", () => {
    mark("asked", true);
    clearTimeout(asked);
    asked = setTimeout(() => mark("asked", false), 20e3);
  });
  document.addEventListener("htmx:afterOnLoad", () => mark("asked", false));

  // data-beside="ID": what a request of this element is refused with stands
  // there, said once, and what the page shows stays.
  const said = new WeakMap();
  document.addEventListener("htmx:beforeSwap", (event) => {
    const request = event.detail;
    const place = document.getElementById(request.requestConfig.elt.dataset.beside);
    if (!place) return;
    const words = request.isError ? request.xhr.responseText : "";
    if (request.isError) {
      request.target = place;
      request.swapOverride = "innerHTML";
      request.shouldSwap = said.get(place) !== words;
    } else place.replaceChildren();
    said.set(place, words);
  });
})();
