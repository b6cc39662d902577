/* Exports what is shown as a file: begun here, written on the server, fetched by the browser once it is whole. */
window.monitor = window.monitor || {};
window.monitor.historyExport = (() => {
  const PATH = "/history/export";
  const ASK_EVERY_MS = 400;
  const UNREACHABLE = "The server can't be reached; try again in a moment.";
  const { clock, formats, historyState: state, historyWords: words } = monitor;

  let job = null; // what the server last said of it: {state, rows, estimated, bytes, problem, name, url, file_url}
  let painted = "";

  /* Exactly the picture: its points, its span (which moves no more), its readings, its resolution. */
  function query(form) {
    const { answer } = state;
    const given = new URLSearchParams({
      points: answer.points.map((point) => point.id).join(","), start: state.stamp(answer.start_ms), end: state.stamp(answer.end_ms),
      format: form, pixels: answer.pixels,
    });
    for (const name of ["quality", "zone"]) if (state.parameters().get(name)) given.set(name, state.parameters().get(name));
    return given.toString();
  }

  async function begin(form) {
    if (!state.answer || state.answer.problem || !state.answer.points.length) {
      state.complain("There is nothing to export yet: pick points first.");
      return;
    }
    if (job && job.state === "running") {
      state.complain("An export is being written already; wait for it, or cancel it.");
      return;
    }
    take({ state: "running", rows: 0, estimated: 0, name: form.toUpperCase() });
    const asked = job;
    const begun = await said(`${PATH}?${query(form)}`, "POST");
    if (job === asked) take(begun);
    else if (begun.url) said(begun.url, "DELETE"); // cancelled meanwhile
    follow();
  }

  async function follow() {
    while (job && job.state === "running" && job.url) {
      await new Promise((resolve) => { clock.after(ASK_EVERY_MS, resolve); });
      if (!job) return; // forgotten meanwhile
      const { state: before, url } = job;
      const now = await said(url, "GET");
      if (job && job.url === url && job.state === before) take(now);
    }
    if (job && job.state === "done") fetchFile();
  }

  /* What the server says of a job; a refusal becomes a job that has failed. */
  async function said(url, method) {
    try {
      const answer = await fetch(url, { method, headers: headers(method), redirect: "error" });
      const body = answer.status === 204 ? {} : await answer.json();
      return answer.ok ? body : { state: "failed", problem: body.error };
    } catch {
      return { state: "failed", problem: UNREACHABLE };
    }
  }

  /* Changes carry the page's token, where there is one. */
  function headers(method) {
    const token = document.querySelector("input[name=csrf_token]");
    return method === "GET" || !token ? {} : { "X-CSRFToken": token.value };
  }

  async function cancel() {
    if (!job) return;
    const { url } = job;
    take({ state: "cancelled" });
    if (url) await said(url, "DELETE");
  }

  function fetchFile() {
    const link = words.make("a");
    Object.assign(link, { href: job.file_url, download: job.name });
    link.click();
  }

  function take(given) {
    job = given;
    paint();
  }

  function paint() {
    const place = document.getElementById("history-export");
    if (!place) return;
    const key = JSON.stringify(job);
    if (key === painted && (place.children.length || !job)) return;
    painted = key;
    const isMine = place.contains(document.activeElement);
    place.replaceChildren(...(job ? partsOf(job) : []));
    const button = place.querySelector("button, a");
    if (isMine && button) button.focus();
  }

  function partsOf({ state: how, rows, estimated, bytes, problem, name, file_url: fileUrl }) {
    if (how === "running") {
      const bar = words.make("progress");
      bar.setAttribute("aria-label", "Export");
      if (estimated) Object.assign(bar, { max: estimated, value: Math.min(rows, estimated) });
      const text = estimated ? `${formats.number(rows, 0)} of about ${words.plural(estimated, "row")}` : "Beginning …";
      return [bar, words.make("span", text, "m-figures"), words.button("Cancel", "Cancel the export", cancel)];
    }
    if (how === "done") {
      const link = words.make("a", name, "m-history-file");
      Object.assign(link, { href: fileUrl, download: name });
      return [link, words.make("span", `${words.plural(rows, "row")}, ${size(bytes)}`, "m-figures"), dismissal()];
    }
    return [words.make("span", how === "cancelled" ? "Cancelled: nothing was kept." : problem), dismissal()];
  }

  function dismissal() {
    return words.button("×", "Forget this export", () => take(null), "m-history-remove");
  }

  function size(bytes) {
    return bytes < 1e6 ? `${formats.number(bytes / 1e3, 1)} kB` : `${formats.number(bytes / 1e6, 1)} MB`;
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-history-export]");
    if (button) begin(button.dataset.historyExport);
  });
  return { paint, query };
})();
