/* Notes in the chart: who wrote what about which time. Those who may, write, change and take them away here. */
window.monitor = window.monitor || {};
window.monitor.historyNotes = (() => {
  const MOST_LETTERS = 500;
  const { dom, historyChart: chart, historyCursor: cursor, historyState: state, historyTime, historyWords: words } = monitor;

  let editing = null; // null: nothing; {} a new one; else the note that is changed
  let sent = 0;
  let painted = "";

  function paint() {
    const place = document.getElementById("history-notes");
    if (!place || !state.answer || !state.answer.clock) return;
    const { answer } = state;
    dom.text(document.getElementById("history-note-count"), answer.annotations.length ? words.plural(answer.annotations.length, "note") : "");
    document.getElementById("history-note-add").hidden = !answer.may_annotate;
    const key = JSON.stringify([state.edition, editing]);
    if (key === painted && place.children.length) return;
    painted = key;
    const form = editing ? [formOf(answer, editing)] : [];
    const list = words.make("ol", null, "m-history-note-list");
    list.append(...answer.annotations.map((note) => itemOf(answer, note)));
    const empty = words.make("p", answer.may_annotate ? "No notes in this range. Write down what explains the curve: others will see it too."
      : "No notes in this range.", "m-table-empty");
    place.replaceChildren(...form, answer.annotations.length ? list : empty);
  }

  function itemOf(answer, note) {
    const item = words.make("li", null, "m-history-note");
    item.id = `history-note-${note.id}`;
    item.tabIndex = -1;
    const when = note.end_ms === null ? historyTime.moment(answer.clock, note.start_ms) : historyTime.span(answer.clock, note.start_ms, note.end_ms);
    const about = note.about ? ` · ${note.about}` : "";
    const body = words.make("div");
    body.append(words.make("p", note.text, "m-history-note-text"),
      words.make("small", `${when}${about} · ${note.author}, ${historyTime.brief(answer.clock, note.created_ms)}`, "m-figures"));
    const actions = words.make("div", null, "m-history-note-actions");
    actions.append(words.button("Show", `Show the time of: ${note.text}`, () => look(note)));
    if (note.may_change) {
      actions.append(words.button("Edit", `Edit: ${note.text}`, () => edit(note)), words.button("Delete", `Delete: ${note.text}`, () => remove(note)));
    }
    item.append(body, actions);
    return item;
  }

  function look(note) {
    cursor.put(note.start_ms);
    chart.box().focus();
    chart.box().scrollIntoView({ block: "nearest" });
  }

  /* To its item in the list. */
  function show(id) {
    const item = document.getElementById(`history-note-${id}`);
    if (!item) return;
    item.scrollIntoView({ block: "nearest" });
    item.focus();
  }

  function remove(note) {
    if (confirm(`Delete the note “${note.text}”?`)) send({ kind: "delete", id: note.id });
  }

  // The form

  function edit(note) {
    editing = note;
    paint();
    const field = document.querySelector(".m-history-note-form textarea");
    if (field) field.focus();
  }

  function begin() {
    const { answer } = state;
    if (!answer || answer.start_ms === null) return;
    const [start, end] = chart.drawn.plot && !answer.problem ? chart.range() : [answer.start_ms, answer.end_ms];
    const atMs = cursor.at() === null ? (start + end) / 2 : cursor.at();
    edit({ id: null, start_ms: Math.round(atMs / 1000) * 1000, end_ms: null, text: "", point_id: null });
  }

  function formOf(answer, note) {
    const form = words.make("form", null, "m-history-note-form");
    const start = timeField("At, or from", historyTime.fieldOf(answer.clock, note.start_ms));
    const end = timeField("until (may stay empty)", note.end_ms === null ? "" : historyTime.fieldOf(answer.clock, note.end_ms));
    const about = aboutField(answer, note);
    const text = words.make("textarea", note.text, "m-field");
    Object.assign(text, { rows: 2, maxLength: MOST_LETTERS, required: true });
    const problem = words.make("p", null, "m-history-form-problem");
    problem.setAttribute("role", "alert");
    const save = words.make("button", note.id === null ? "Add note" : "Save", "m-button m-button-main");
    save.type = "submit";
    const cancel = words.button("Cancel", "", () => edit(null));
    const row = words.make("div", null, "m-history-form-row");
    row.append(start, end, ...(about ? [about] : []));
    const buttons = words.make("div", null, "m-history-form-row");
    buttons.append(save, cancel);
    form.append(labelled("Words", text), row, problem, buttons);
    form.noValidate = true;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      submit(answer, note, form, problem);
    });
    form.addEventListener("keydown", (event) => { if (event.key === "Escape") edit(null); });
    return form;
  }

  function labelled(name, element) {
    const label = words.make("label", null, "m-history-labelled");
    label.append(words.make("span", name), element);
    return label;
  }

  function timeField(name, value) {
    const element = words.make("input", null, "m-field");
    Object.assign(element, { type: "datetime-local", step: 1, value });
    return labelled(name, element);
  }

  /* What the note is about; that of a note that exists stays. */
  function aboutField(answer, note) {
    if (note.id !== null) return null;
    const choice = words.make("select", null, "m-field");
    if (answer.may_note_site) choice.append(new Option("the whole site", ""));
    choice.append(...answer.points.map((point) => new Option(words.name(point), point.id)));
    return labelled("About", choice);
  }

  /* A time that was typed is sent as it stands, for the server to read on the site's clock; an old one as it was. */
  function submit(answer, note, form, problem) {
    const [start, end] = [...form.querySelectorAll("input")].map((field) => field.value);
    const text = form.querySelector("textarea").value.trim();
    const complaint = complaintOf(text, start, end);
    dom.text(problem, complaint);
    if (complaint) return;
    const choice = form.querySelector("select");
    const isSame = (typed, atMs) => atMs !== null && typed === historyTime.fieldOf(answer.clock, atMs);
    send({
      kind: note.id === null ? "add" : "change", id: note.id, text, search: location.search,
      start: isSame(start, note.start_ms) ? state.stamp(note.start_ms) : start,
      end: isSame(end, note.end_ms) ? state.stamp(note.end_ms) : end,
      point_id: choice && choice.value ? Number(choice.value) : null,
    });
  }

  function complaintOf(text, start, end) {
    if (!text) return "Write some words first.";
    if (!start) return "Fill in the time that the note is about.";
    return end && end <= start ? "The note would end before it begins: put its end later, or leave it empty." : "";
  }

  function send(deed) {
    sent += 1;
    dash_clientside.set_props("history-deed", { data: { ...deed, number: sent } });
  }

  /* What the server said to it: {number, problem}. */
  function done(said) {
    if (!said || said.number !== sent) return;
    const problem = document.querySelector(".m-history-form-problem");
    if (said.problem) {
      if (problem) dom.text(problem, said.problem);
      else state.complain(said.problem);
      return;
    }
    editing = null;
    state.again();
  }

  document.addEventListener("click", (event) => { if (event.target.closest("#history-note-add")) begin(); });
  return { paint, show, done, begin };
})();
