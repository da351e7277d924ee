// The page of `edgits live --web`: shows what the server tells, and sends what a person changes.

const $ = (id) => document.getElementById(id);
const percent = (share) => `${Math.round(100 * share)} %`;
let size = { width: 4, height: 3 };
let state = null;

// asking the server

async function post(path, value = {}) {
  let answer;
  try {
    answer = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(value),
    });
  } catch {
    throw new Error("There is no connection.");
  }
  if (!answer.ok) throw new Error((await answer.text()).trim() || answer.statusText);
  return answer.json();
}

function attempt(task) {
  return async (...args) => {
    try {
      await task(...args);
    } catch (error) {
      toast(error.message);
    }
  };
}

let hide;
function toast(text, undo = null) {
  const [label, button] = $("toast").children;
  label.textContent = text;
  button.hidden = !undo;
  button.onclick = undo;
  $("toast").hidden = false;
  clearTimeout(hide);
  hide = setTimeout(() => ($("toast").hidden = true), 5000);
}

// what flows in

function show(reading) {
  const { lost, text, number } = reading;
  size = { width: reading.width, height: reading.height };
  $("frame").style.aspectRatio = `${size.width} / ${size.height}`;
  setStatus(lost ? "lost" : "live", lost ? "camera lost" : "live");
  $("status").title = lost ?? reading.source;
  $("fps").textContent = reading.fps === null ? "–" : `${reading.fps.toFixed(reading.fps < 10 ? 1 : 0)} fps`;
  $("latency").textContent = reading.latency_ms === null ? "–" : `${reading.latency_ms.toFixed(1)} ms`;
  $("temperature").textContent = `${Math.round(reading.temperature)} °C`;
  $("temperature").parentElement.hidden = reading.temperature === null;
  showNumber(number || text, { sure: number !== "", confidence: reading.confidence, lost });
}

function showNumber(text, { sure, confidence, lost }) {
  const lines = text.split("\n");
  const field = $("number");
  field.classList.toggle("none", !text);
  field.classList.toggle("unsure", !sure);
  field.style.setProperty("--chars", Math.max(2, ...lines.map((line) => line.length)));
  field.style.setProperty("--lines", lines.length);
  const words = text || (lost ? "the camera is lost" : "no digits in view");
  if (field.textContent !== words) field.textContent = words;
  $("sure").style.visibility = text && sure ? "visible" : "hidden";
  $("confidence").value = confidence;
  $("share").textContent = percent(confidence);
}

function showHistory(sightings) {
  const clock = new Intl.DateTimeFormat([], { timeStyle: "medium" });
  const rows = sightings.map(({ text, time }) => {
    const row = document.createElement("li");
    const number = document.createElement("b");
    const when = document.createElement("time");
    number.textContent = text.replaceAll("\n", "  ");
    when.textContent = clock.format(1000 * time);
    when.dateTime = new Date(1000 * time).toISOString();
    row.append(number, when);
    return row;
  });
  $("history").replaceChildren(...rows);
}

function showState(news) {
  state = news;
  if ($("model").options.length !== news.models.length) {
    $("model").replaceChildren(...news.models.map((name) => new Option(name)));
  }
  $("model").value = news.model;
  if (document.activeElement !== $("threshold")) $("threshold").value = news.threshold_in_force;
  showThreshold(news.threshold_in_force);
  $("threshold-default").disabled = news.threshold === null;
  $("region-value").textContent = news.region ? "a part" : "whole picture";
  $("region-clear").hidden = !news.region;
  showRegion();
  const collects = news.counts !== null;
  $("hold").hidden = !collects;
  $("hold").disabled = held !== null || choosing !== null;
  $("picture").classList.toggle("tappable", collects);
  $("corrections").hidden = !collects;
  if (collects) showCounts(news.counts);
}

function showCounts(counts) {
  const cells = counts.map((count, digit) => {
    const cell = document.createElement("li");
    const total = document.createElement("b");
    total.textContent = count;
    cell.append(digit, total);
    return cell;
  });
  $("counts").replaceChildren(...cells);
}

function showThreshold(value) {
  $("threshold-value").textContent = percent(value);
}

function setStatus(kind, text) {
  $("status").dataset.state = kind;
  $("status").textContent = text;
  $("view").classList.toggle("away", kind === "away");
}

let events = null;
function listen() {
  events = new EventSource("events");
  events.onopen = watch;
  events.addEventListener("reading", ({ data }) => show(JSON.parse(data)));
  events.addEventListener("history", ({ data }) => showHistory(JSON.parse(data)));
  events.addEventListener("state", ({ data }) => showState(JSON.parse(data)));
  events.onerror = () => {
    setStatus("away", "no connection");
    showNumber("", { sure: true, confidence: 0, lost: null });
    $("number").textContent = "edgits doesn’t answer";
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 3000); // refused: try anew
  };
}

function watch() {
  $("picture").src = `stream.mjpg?${Date.now()}`;
}

// a page that nobody sees asks for no pictures
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    events.close();
    $("picture").removeAttribute("src");
  } else {
    listen();
  }
});

// places on the picture, as shares of it

function place(element, [left, top, width, height]) {
  element.style.left = `${100 * left}%`;
  element.style.top = `${100 * top}%`;
  element.style.width = `${100 * width}%`;
  element.style.height = `${100 * height}%`;
}

function shares([left, top, width, height], of) {
  return [left / of.width, top / of.height, width / of.width, height / of.height];
}

// correcting: a picture held still, its marks to tap, a key for what each really is

let held = null;

const hold = attempt(async () => {
  const { still, width, height, marks } = await post("still");
  const picture = new Image();
  picture.src = `still/${still}.jpg`;
  await picture.decode();
  const canvas = $("still");
  canvas.width = picture.naturalWidth;
  canvas.height = picture.naturalHeight;
  canvas.getContext("2d").drawImage(picture, 0, 0);
  held = { still, width, height, picture };
  $("marks").replaceChildren(...marks.map(markButton));
  ask(marks.length ? "Tap what is wrong" : "No digit in sight");
  for (const id of ["still", "back"]) $(id).hidden = false;
  $("hold").disabled = true;
  $("frame").scrollIntoView({ block: "nearest", behavior: "smooth" });
});

$("hold").onclick = hold;
$("picture").onclick = () => {
  if (state?.counts && !choosing) hold();
};

function markButton(mark, index) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = mark.digit === null ? "mark unread" : "mark";
  place(button, shares(mark.box, held));
  nameMark(button, mark.digit);
  button.onclick = attempt(() => correct(button, mark, index));
  return button;
}

function nameMark(button, digit) {
  const label = document.createElement("span");
  label.textContent = digit ?? "";
  label.hidden = digit === null;
  button.replaceChildren(label);
  button.setAttribute("aria-label", digit === null ? "a mark that wasn’t read" : `read as ${digit}`);
}

async function correct(button, mark, index) {
  const digit = await chooseDigit(mark);
  if (digit === null) return;
  const { verdict, counts, saved } = await post("correct", { still: held.still, mark: index, digit });
  showCounts(counts);
  if (verdict === "blurred") return toast("Too blurred to learn from");
  nameMark(button, digit);
  button.classList.add("named");
  if (verdict === "duplicate") return toast(`One like this ${digit} is there already`);
  toast(`Saved as a ${digit}`, attempt(async () => {
    const undone = await post("undo", { saved });
    showCounts(undone.counts);
    nameMark(button, mark.digit);
    button.classList.remove("named");
    toast(`Undone: a ${undone.undone}`);
  }));
}

function chooseDigit(mark) {
  drawCrop(mark.box);
  const read = mark.digit === null ? "Not read." : `Read as ${mark.digit}, ${percent(mark.confidence)} sure.`;
  $("keypad-title").textContent = `${read} What is it really?`;
  for (const key of $("keys").children) key.classList.toggle("read", Number(key.value) === mark.digit);
  $("keypad").returnValue = "";
  $("keypad").showModal();
  return new Promise((resolve) => {
    $("keypad").onclose = () => resolve($("keypad").returnValue === "" ? null : Number($("keypad").returnValue));
  });
}

function drawCrop([left, top, width, height]) {
  const { picture } = held;
  const scale = picture.naturalWidth / held.width;
  const side = 1.3 * Math.max(width, height) * scale;
  const x = (left + width / 2) * scale - side / 2;
  const y = (top + height / 2) * scale - side / 2;
  const brush = $("crop").getContext("2d");
  brush.clearRect(0, 0, 112, 112);
  brush.drawImage(picture, x, y, side, side, 0, 0, 112, 112);
}

for (const digit of "1234567890") {
  const key = document.createElement("button");
  key.value = key.textContent = digit;
  $("keys").append(key);
}

$("keypad").onkeydown = ({ key }) => {
  if (/^[0-9]$/.test(key)) $("keypad").close(key);
};

$("back").onclick = () => {
  held = null;
  choosing = null;
  $("frame").classList.remove("choosing");
  $("marks").replaceChildren();
  ask(null);
  for (const id of ["still", "back"]) $(id).hidden = true;
  if (state) showState(state);
};

function ask(text) {
  $("ask").hidden = text === null;
  $("ask").textContent = text ?? "";
}

// settings

const change = attempt(async (value) => showState(await post("settings", value)));

$("model").onchange = () => change({ model: $("model").value });
$("threshold").oninput = () => showThreshold(Number($("threshold").value));
$("threshold").onchange = () => change({ threshold: Number($("threshold").value) });
$("threshold-default").onclick = () => {
  $("threshold").blur();
  change({ threshold: null });
};
$("region-clear").onclick = () => change({ region: null });

let choosing = null;

$("region-choose").onclick = () => {
  if (held) $("back").click();
  choosing = { from: null };
  $("frame").classList.add("choosing");
  $("frame").scrollIntoView({ block: "nearest", behavior: "smooth" });
  ask("Drag a box");
  $("back").hidden = false;
  $("hold").disabled = true;
};

function point({ clientX, clientY }) {
  const box = $("frame").getBoundingClientRect();
  const within = (value) => Math.min(1, Math.max(0, value));
  return [within((clientX - box.left) / box.width), within((clientY - box.top) / box.height)];
}

function dragged(event) {
  const [x, y] = point(event);
  const [x0, y0] = choosing.from;
  return [Math.min(x, x0), Math.min(y, y0), Math.abs(x - x0), Math.abs(y - y0)];
}

$("frame").onpointerdown = (event) => {
  if (!choosing || event.target.closest("button")) return;
  event.preventDefault();
  $("frame").setPointerCapture(event.pointerId);
  choosing.from = point(event);
};

$("frame").onpointermove = (event) => {
  if (!choosing?.from) return;
  $("region").hidden = false;
  place($("region"), dragged(event));
};

$("frame").onpointerup = (event) => {
  if (!choosing?.from) return;
  const region = dragged(event);
  $("back").click();
  change({ region });
};

function showRegion() {
  if (choosing?.from) return;
  $("region").hidden = !state.region;
  if (state.region) place($("region"), state.region_in_shares ? state.region : shares(state.region, size));
}

listen();
