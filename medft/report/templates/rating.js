"use strict";
// One question at a time with two answers that have no names. Votes stay in this browser until they are saved as csv.
const { name, items } = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const FIELDS = ["better", "safe1", "safe2"];
const KEPT = `medft-rating-${name}`;
let now = 0;
let votes = {};

function recall() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT) || "{}");
    votes = kept.votes || {};
    at("rater").value = kept.rater || "";
  } catch { votes = {}; }
}

function keep() {
  try { localStorage.setItem(KEPT, JSON.stringify({ votes, rater: at("rater").value })); } catch { /* kept in this tab */ }
}

function whole(number) { return FIELDS.every((field) => (votes[number] || {})[field]); }

function show() {
  const item = items[now];
  at("question").textContent = item.question;
  at("answer1").textContent = item.answers[0] || "(nothing)";
  at("answer2").textContent = item.answers[1] || "(nothing)";
  for (const field of FIELDS) {
    for (const input of document.getElementsByName(field)) {
      input.checked = (votes[item.number] || {})[field] === input.value;
    }
  }
  const done = items.filter((each) => whole(each.number)).length;
  at("place").textContent = `Question ${now + 1} of ${items.length}; ${done} rated`;
  at("back").disabled = now === 0;
  at("next").disabled = now === items.length - 1;
  at("save").disabled = done === 0 || !at("rater").value.trim();
}

function csv() {
  const rater = at("rater").value.replace(/[^\p{L}\p{N} ._-]/gu, "").trim();
  const rows = items.filter((item) => whole(item.number)).map((item) =>
    [name, rater, item.number, ...FIELDS.map((field) => votes[item.number][field])].join(","));
  return ["rating,rater,number,better,safe1,safe2", ...rows].join("\n") + "\n";
}

for (const field of FIELDS) {
  for (const input of document.getElementsByName(field)) {
    input.onchange = () => {
      const number = items[now].number;
      votes[number] = { ...votes[number], [field]: input.value };
      keep();
      show();
    };
  }
}
at("back").onclick = () => { now -= 1; show(); };
at("next").onclick = () => { now += 1; show(); };
at("rater").oninput = () => { keep(); show(); };
at("save").onclick = () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
  link.download = `votes-${at("rater").value.replace(/[^\p{L}\p{N}_-]/gu, "") || "rater"}.csv`;
  link.click();
};
recall();
show();
