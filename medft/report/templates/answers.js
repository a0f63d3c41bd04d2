"use strict";
// Shows the answers of the suite that is chosen, fifty at a time. Every text is set as text, never as markup.
const suites = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const PAGE = 50;
let shown = PAGE;
const flags = new Set();

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function option(select, value, text) {
  const made = element("option", "", text);
  made.value = value;
  select.append(made);
}

function suite() { return suites[Number(at("suite").value)]; }

function orders() {
  at("order").replaceChildren();
  option(at("order"), "", "in their own order");
  suite().metrics.forEach((metric, number) => {
    for (const system of suite().systems) {
      option(at("order"), [number, system, 1].join("|"), `${metric.name}, ${system}: worst first`);
      option(at("order"), [number, system, -1].join("|"), `${metric.name}, ${system}: best first`);
    }
    if (suite().systems.includes("base") && suite().systems.includes("tuned")) {
      option(at("order"), [number, "", 1].join("|"), `${metric.name}: most lost by tuning first`);
      option(at("order"), [number, "", -1].join("|"), `${metric.name}: most gained by tuning first`);
    }
  });
}

// Larger is better, whatever the direction of the metric; undefined where an item has no value.
function goodness(item, metric, system) {
  const up = metric.higher_is_better ? 1 : -1;
  const of = (name) => item.answers[name] && item.answers[name].scores[metric.name];
  const value = system ? of(system) : of("tuned") - of("base");
  return Number.isFinite(value) ? up * value : undefined;
}

function chosen() {
  const words = at("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  let items = suite().items.filter((item) => {
    const answers = Object.values(item.answers);
    const text = [item.id, item.group, item.question, item.reference, ...answers.map((a) => a.text)];
    const whole = text.join("\n").toLowerCase();
    return words.every((word) => whole.includes(word))
      && [...flags].every((flag) => answers.some((answer) => answer.flags.includes(flag)));
  });
  if (at("order").value) {
    const [number, system, way] = at("order").value.split("|");
    const metric = suite().metrics[Number(number)];
    const value = (item) => goodness(item, metric, system);
    items = items.filter((item) => value(item) !== undefined);
    items.sort((a, b) => Number(way) * (value(a) - value(b)));
  }
  return items;
}

function side(name, answer) {
  const box = element("div");
  box.append(element("h4", "", name), element("p", "", answer.text || "(nothing)"));
  const scores = Object.entries(answer.scores).map(([metric, value]) => `${metric} ${Number(value.toFixed(3))}`);
  const line = element("p", "scores", [...(answer.read ? [`read as: ${answer.read}`] : []), ...scores].join(" · "));
  for (const flag of answer.flags) line.append(" ", element("span", "flag", flag));
  box.append(line);
  return box;
}

function article(item) {
  const made = element("article");
  made.append(element("h3", "", [item.id, item.group].filter(Boolean).join(" · ")));
  made.append(element("p", "question", item.question));
  const row = element("div", "side");
  const reference = element("div");
  reference.append(element("h4", "", "reference"), element("p", "", item.reference));
  row.append(reference);
  for (const system of suite().systems) {
    if (item.answers[system]) row.append(side(system, item.answers[system]));
  }
  made.append(row);
  return made;
}

function show() {
  const items = chosen();
  at("count").textContent = `${items.length} of ${suite().items.length} questions`;
  at("items").replaceChildren(...items.slice(0, shown).map(article));
  at("more").hidden = items.length <= shown;
}

function again() { shown = PAGE; show(); }

suites.forEach((each, number) => option(at("suite"), number, each.name));
at("suite").onchange = () => { orders(); again(); };
at("order").onchange = again;
at("search").oninput = again;
at("more").onclick = () => { shown += PAGE; show(); };
for (const button of document.querySelectorAll("button[data-flag]")) {
  button.onclick = () => {
    const flag = button.dataset.flag;
    if (!flags.delete(flag)) flags.add(flag);
    button.setAttribute("aria-pressed", String(flags.has(flag)));
    again();
  };
}
orders();
show();
