"use strict";
// Keeps the page up to date. Without it the page is complete, only not live.
(() => {
  const NAMES = {
    operational: "Operational",
    degraded: "Degraded",
    partial_outage: "Partial outage",
    under_maintenance: "Maintenance",
    major_outage: "Major outage",
  };
  const REFRESH_MS = 300000; // uptime changes without an event
  const AGAIN_MS = 5000;
  let lastId = Number(document.getElementById("page").dataset.lastEventId);
  let refreshing = 0;

  function showTimes() {
    for (const time of document.querySelectorAll("time")) {
      time.textContent = new Date(time.dateTime).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
    }
  }

  function showLive(isLive) {
    const live = document.getElementById("live");
    live.hidden = false;
    live.textContent = isLive ? "Live" : "Connecting …";
  }

  async function refresh() {
    refreshing = 0;
    const answer = await fetch("/status", { cache: "no-store" }).catch(() => null);
    if (!answer || !answer.ok) {
      refreshSoon(AGAIN_MS);
      return;
    }
    const loaded = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.title = loaded.title;
    document.getElementById("page").replaceWith(document.adoptNode(loaded.getElementById("page")));
    showTimes();
    showLive(source.readyState === EventSource.OPEN);
  }

  // Not everybody at the same moment.
  function refreshSoon(withinMs) {
    if (!refreshing) refreshing = setTimeout(refresh, withinMs * (0.25 + 0.75 * Math.random()));
  }

  function onComponent(data) {
    const component = document.getElementById(`component-${data.component_id}`);
    const name = component && component.querySelector(".name");
    if (!component || name.textContent !== data.name) {
      refreshSoon(2000);
      return;
    }
    component.dataset.status = data.status;
    const badge = component.querySelector(".badge");
    badge.className = `badge ${data.status}`;
    badge.textContent = NAMES[data.status];
  }

  function onGlobal(data) {
    document.getElementById("global").className = `banner ${data.status}`;
    document.getElementById("message").textContent = data.message;
    document.title = document.title.replace(/^[^·]*·/, () => `${data.message} ·`);
  }

  let source;
  function connect() {
    source = new EventSource(`/status/events?lastEventId=${lastId}`);
    const on = (type, act) =>
      source.addEventListener(type, (event) => {
        lastId = Number(event.lastEventId) || lastId;
        act(JSON.parse(event.data));
      });
    on("status.component_changed", onComponent);
    on("status.global_changed", onGlobal);
    for (const type of ["incident_created", "incident_updated", "incident_resolved", "maintenance_started", "maintenance_ended"]) {
      on(`status.${type}`, () => refreshSoon(1000));
    }
    on("stream.reset", () => refreshSoon(2000));
    source.onopen = () => showLive(true);
    source.onerror = () => {
      showLive(false);
      // An answer that is no stream ends the browser's own attempts.
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, AGAIN_MS * (1 + Math.random()));
    };
  }

  showTimes();
  connect();
  setInterval(() => refreshSoon(REFRESH_MS / 10), REFRESH_MS);
})();
