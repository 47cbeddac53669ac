// The streams of a page, which htmx's extension opens: they are closed while
// nobody sees the page, and go on where they stopped. A browser has six
// connections to an origin (HTTP/1.1), so that streams of six tabs that nobody
// looks at would leave none to the one that is looked at.
"use strict";

(() => {
  const streams = new Set();
  // up to where each address has come, as Last-Event-ID says it: an EventSource
  // knows that of itself alone, and the extension makes another one where the
  // browser gave one up.
  const upTo = new Map();

  class Stream {
    readyState = EventSource.CONNECTING;
    onopen = null;
    onerror = null;
    #address;
    #source = null;
    #heard = [];

    constructor(address) {
      this.#address = address;
      streams.add(this);
      this.look();
    }

    addEventListener(name, hear) {
      const take = (event) => {
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
      for (const one of this.#heard) source.addEventListener(one.name, one.take);
      source.onopen = (event) => {
        this.readyState = source.readyState;
        if (this.onopen) this.onopen(event);
      };
      source.onerror = (event) => {
        this.readyState = source.readyState;
        // The extension makes another one then.
        if (source.readyState === EventSource.CLOSED) streams.delete(this);
        if (this.onerror) this.onerror(event);
      };
    }

    #leave() {
      if (this.#source) this.#source.close();
      this.#source = null;
      this.readyState = EventSource.CONNECTING;
    }
  }

  htmx.createEventSource = (address) => new Stream(address);
  document.addEventListener("visibilitychange", () => {
    for (const stream of [...streams]) stream.look();
  });
})();
