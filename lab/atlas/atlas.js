// Search, copy buttons, and the form that puts one's own names into the code. Without it all can be read.
"use strict";

// Search: words of a page and of a question in one form, so that synonyms meet. PAGES, SYNONYMS, FILLERS
// and WEIGHTS stand before this.
const PHRASES = SYNONYMS.flatMap(([first, ...others]) => [first, ...others].map((phrase) => [phrase, first]))
  .map(([phrase, first]) => [plain(phrase), first.replaceAll(" ", "")])
  .sort((one, other) => other[0].length - one[0].length);

function plain(text) {
  return ` ${text.toLowerCase().replace(/[^\p{L}\p{N}%]+/gu, " ").trim()} `;
}

function words(text) {
  let line = plain(text);
  for (const [phrase, first] of PHRASES) line = line.replaceAll(phrase, ` ${first}  `).replace(/ {2,}/g, "  ").replaceAll("  ", " ");
  return line.trim().split(" ").filter((word) => word && !FILLERS.includes(word)).map(stem);
}

function stem(word) {
  if (word.length > 5 && /(?:ing|ied|ies)$/.test(word)) return word.slice(0, -3);
  if (word.length > 4 && /(?:ed|es)$/.test(word)) return word.slice(0, -2);
  if (word.length > 3 && /[^s]s$/.test(word)) return word.slice(0, -1);
  return word.length > 4 && word.endsWith("e") ? word.slice(0, -1) : word;
}

const INDEX = PAGES.map((page) => {
  const counts = new Map();
  for (const [field, weight] of Object.entries(WEIGHTS)) {
    for (const word of new Set(words(page[field]))) counts.set(word, Math.max(counts.get(word) ?? 0, weight) + 0.25);
  }
  return { page, counts };
});
const OFTEN = new Map();
for (const { counts } of INDEX) for (const word of counts.keys()) OFTEN.set(word, (OFTEN.get(word) ?? 0) + 1);

function search(question) {
  const asked = words(question);
  const scored = INDEX.map(({ page, counts }) => {
    let score = 0;
    for (const [place, word] of asked.entries()) {
      let best = 0;
      for (const [known, weight] of counts) {
        const part = known === word ? 1 : word.length > 2 && known.startsWith(word) && place === asked.length - 1 ? 0.6 : 0;
        if (part) best = Math.max(best, part * weight * Math.log(1 + INDEX.length / OFTEN.get(known)));
      }
      score += best;
    }
    return { page, score: score / Math.sqrt(6 + counts.size) };
  });
  return scored.filter(({ score }) => score > 0).sort((one, other) => other.score - one.score).map(({ page }) => page);
}

const box = document.getElementById("q");
const found = document.getElementById("found");
const hits = document.getElementById("hits");

function show() {
  const pages = search(box.value).slice(0, 8);
  found.hidden = !box.value.trim();
  document.getElementById("count").textContent = pages.length ? `${pages.length} scenarios, the best first` : "Nothing found: other words?";
  hits.replaceChildren(...pages.map((page) => {
    const item = document.createElement("li");
    const link = item.appendChild(document.createElement("a"));
    link.href = `${page.slug}.html`;
    link.append(page.title[0].toUpperCase() + page.title.slice(1));
    link.appendChild(document.createElement("small")).textContent = page.part;
    return item;
  }));
}

box.addEventListener("input", show);
box.form.addEventListener("submit", (event) => {
  event.preventDefault();
  hits.querySelector("a")?.click();
});
box.form.addEventListener("keydown", (event) => {
  const links = [...hits.querySelectorAll("a")];
  const at = links.indexOf(document.activeElement);
  if (event.key === "Escape") {
    found.hidden = true;
    box.focus();
  } else if (event.key === "ArrowDown" && links.length) {
    links[Math.min(at + 1, links.length - 1)].focus();
    event.preventDefault();
  } else if (event.key === "ArrowUp" && at >= 0) {
    (links[at - 1] ?? box).focus();
    event.preventDefault();
  }
});
document.addEventListener("click", (event) => {
  if (!box.form.contains(event.target)) found.hidden = true;
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.target.closest("input, select, textarea")) {
    box.focus();
    event.preventDefault();
  }
});
box.value = new URLSearchParams(location.search).get("q") ?? box.value;
if (box.value) show();

// Copy buttons: what is shown beneath the button.
for (const around of document.querySelectorAll("[data-copy]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  around.insertBefore(button, around.querySelector(":scope > div, :scope > pre"));
  button.addEventListener("click", async () => {
    const shown = [...around.querySelectorAll("pre")].find((pre) => pre.offsetParent);
    let done = "Copied";
    try {
      await navigator.clipboard.writeText(shown.textContent + "\n");
    } catch {
      getSelection().selectAllChildren(shown);
      done = "Press Ctrl-C";
    }
    button.textContent = done;
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
}

// The form. `data-m` of a <pre> says where names stand in it: how far behind the one before, and which.
const form = document.querySelector("form.adapt");
if (form) {
  const fields = [...form.querySelectorAll("input, select")];
  const example = new Map(fields.map((field) => [field.name, field.defaultValue ?? field.querySelector("[selected]").value]));
  for (const field of fields) field.spellcheck = false;
  for (const pre of document.querySelectorAll("pre[data-m]")) mark(pre, example);
  const rewrite = () => {
    for (const field of fields) {
      const was = example.get(field.name);
      const name = field.value.trim() || was;
      for (const place of document.getElementsByClassName(`n${field.name}`)) {
        place.textContent = name;
        place.classList.toggle("mine", name !== was);
      }
    }
  };
  document.querySelector(".scripted").hidden = form.hidden = false;
  form.addEventListener("input", rewrite);
  form.addEventListener("change", rewrite);
  form.addEventListener("reset", () => setTimeout(rewrite));
  form.addEventListener("submit", (event) => event.preventDefault());
  rewrite(); // a browser keeps what was typed when a page is loaded again
}

function mark(pre, example) {
  const nodes = document.createTreeWalker(pre, NodeFilter.SHOW_TEXT);
  let node = nodes.nextNode();
  let start = 0; // of the node, in the whole text
  let place = 0;
  for (const [distance, number] of pre.dataset.m.split(" ").filter(Boolean).map((text) => text.split(":"))) {
    place += Number(distance);
    while (place >= start + node.length) {
      start += node.length;
      node = nodes.nextNode();
    }
    const name = node.splitText(place - start);
    node = name.splitText(example.get(number).length);
    const shown = document.createElement("var");
    shown.className = `n${number}`;
    name.replaceWith(shown);
    shown.append(name);
    start = place + example.get(number).length;
    nodes.currentNode = node;
  }
}
