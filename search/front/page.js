let state;

// The state lives in the address, as options of the command line do: #macs=254M&prefer=depth=2&pin=3

function readState() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const searched = (front.provenance.cost ?? "macs") !== "macs" && !asked.has("macs");
  const name = timed && (asked.has("latency") || searched) ? "latency" : "macs", cost = COSTS[name];
  const given = asked.get(name) ?? "", known = readAmount(given, cost) > 0;
  const weights = tasks.map(() => 1);
  for (const text of asked.getAll("prefer")) {
    const at = text.lastIndexOf("="), task = facts.tasks.indexOf(text.slice(0, at));
    const weight = Number(text.slice(at + 1));
    if (task >= 0 && weight >= 1e-9 && weight <= 1e9) weights[task] = weight;
  }
  const pin = entries[Number(asked.get("pin")) - 1] ?? null;
  return { name, budget: known ? given : writeAmount((costRange(cost)[0] + costRange(cost)[1]) / 2, cost), weights, pin };
}

function writeState() {
  const asked = new URLSearchParams([[state.name, state.budget], ...preferred().map(text => ["prefer", text])]);
  if (state.pin) asked.set("pin", state.pin.number);
  history.replaceState(null, "", "#" + asked);
}

function preferred() {
  return tasks.flatMap((task, i) => (state.weights[i] === 1 ? [] : [`${task.name}=${state.weights[i]}`]));
}

function sameInTheTerminal() {
  return state.name === "latency" ? "In the terminal, where latency is measured anew:" : "The same in the terminal:";
}

// In pieces that stay whole where the line is folded.
function command() {
  const quoted = text => (/^[\w.=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
  // A plan knows nothing below the tenth percentile.
  const quantile = state.name === "latency" ? Math.max(widest.latency.quantile, 0.1) : 0.5;
  const options = [`--${state.name} ${state.budget}`, ...preferred().map(text => `--prefer ${quoted(text)}`)];
  return ["pliant plan MODEL.pliant", ...options, ...(quantile === 0.5 ? [] : [`--quantile ${quantile}`])];
}

// Numbers and elements.

const digits = value => (value ? Number(value.toPrecision(3)).toString() : "0");
const scaled = (value, units) => {
  const [unit, scale] = units.find(([, size]) => value >= size) ?? units.at(-1);
  return `${digits(value / scale)} ${unit}`.trim();
};
const showMacs = value => scaled(value, [["G", 1e9], ["M", 1e6], ["k", 1e3], ["", 1]]);
const showBytes = value => scaled(value, [["GB", 1e9], ["MB", 1e6], ["kB", 1e3], ["B", 1]]);
const showQuality = value => (Math.abs(value) < 10 ? value.toFixed(3) : value.toFixed(1));
// As `pliant plan` prints a score, four digits of it: the two can be held side by side.
const showScore = value => {
  const [mantissa, exponent] = value.toExponential(3).split("e");
  if (Number(exponent) >= -4 && Number(exponent) < 4) return `${Number(value.toPrecision(4))}`;
  return `${Number(mantissa)}e${exponent.replace(/\d+/, it => it.padStart(2, "0"))}`;
};
const showLatency = it => (it
  ? `${digits(it.value)} ms, ${it.kind} (${[`p${digits(it.quantile * 100)}`, it.profile].filter(Boolean).join(", ")})`
  : "not measured");
const showMetric = task => [task.metric, task.metric_units].filter(Boolean).join(", ");
const showWidths = entry => [`encoder ${entry.config.encoder.join(" ")}`,
  `decoders ${tasks.map(task => `${task.name} ${entry.config.decoders[task.name]}`).join(", ")}`];

function showDifference(share) {
  const percent = (share - 1) * 100;
  if (Math.abs(percent) >= 1000) return percent < 0 ? "< -1000 %" : "> 1000 %";
  return `${Math.abs(percent) < 0.05 ? "" : percent < 0 ? "−" : "+"}${Math.abs(percent).toFixed(1)} %`;
}

function build(space, tag, attributes, children) {
  const element = document.createElementNS(space, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
const html = (tag, attributes = {}, ...children) => build(document.body.namespaceURI, tag, attributes, children);
const svg = (tag, attributes = {}, ...children) =>
  build(document.querySelector("svg").namespaceURI, tag, attributes, children);
const colored = color => ({ style: `--color: ${color}` });

// The card.

const showBeside = (entry, scores) =>
  `${showScore(scores[entry.number - 1])} (the widest: ${showScore(scores[widest.number - 1])})`;

function drawCard({ shown, chosen, scores }) {
  if (!shown) return $("card").replaceChildren(html("h2", {}, "No subnet fits this budget"));
  const unpin = html("button", { type: "button" }, "Unpin");
  unpin.addEventListener("click", () => pin(state.pin));
  const other = `The choice here is ${chosen ? `subnet ${chosen.number}` : "none: nothing fits"}.`;
  const pieces = command().flatMap(piece => [" ", html("span", {}, piece)]).slice(1);
  const asks = shown === chosen ? [sameInTheTerminal(), html("code", {}, ...pieces)] : [other];
  const facts = {
    "multiply-adds": showMacs(shown.macs), bytes: showBytes(shown.bytes), latency: showLatency(shown.latency),
    precision: shown.precision, score: showBeside(shown, scores),
  };
  const title = html("h2", {}, `Subnet ${shown.number} of ${entries.length}${state.pin ? ", pinned" : ""}`);
  $("card").replaceChildren(
    html("div", { class: "head" }, title, ...(state.pin ? [unpin] : [])),
    html("dl", {}, ...Object.entries(facts).flatMap(([name, text]) => [html("dt", {}, name), html("dd", {}, text)])),
    qualityTable(shown), drawWidths(shown), html("div", { class: "soft" }, ...asks),
  );
}

function qualityTable(entry) {
  const cells = (tag, texts) => html("tr", {}, ...texts.map(text => html(tag, {}, ...[text].flat())));
  const swatch = task => html("span", { class: "swatch", ...colored(task.color) });
  const row = (task, i) => [[swatch(task), task.name, " ", html("small", {}, showMetric(task))],
    showQuality(entry.values[i]), showQuality(widest.values[i]), showDifference(entry.relative[i])];
  return html("table", {}, cells("th", ["task", "quality", "widest", "relative"]),
    ...tasks.map((task, i) => cells("td", row(task, i))));
}

function drawWidths(entry) {
  const encoder = entry.config.encoder.map((width, i) => [`stage ${i + 1}`, width, "var(--soft)"]);
  const decoders = tasks.map(task => [task.name, entry.config.decoders[task.name], task.color]);
  const step = Math.min(24, 300 / (encoder.length + decoders.length + 1)), tall = 44;
  const start = i => (i < encoder.length ? i : i + 1) * step + 1;
  const bar = (kind, i, width, color) => svg("rect", { class: kind, ...colored(color),
    x: start(i), y: 1 + tall * (1 - width), width: step * 0.7, height: tall * width });
  const bars = [...encoder, ...decoders].map(([name, width, color], i) =>
    svg("g", {}, svg("title", {}, `${name}: ${width}`), bar("full", i, 1, color), bar("part", i, width, color)));
  const size = { viewBox: `0 0 310 ${tall + 18}` }, told = `widths: ${showWidths(entry).join("; ")}`;
  return svg("svg", { ...size, role: "img", "aria-label": told }, ...bars,
    words(1, tall + 15, "start", "encoder"), words(start(encoder.length), tall + 15, "start", "decoders"));
}

// Controls.

function makeControls() {
  for (const name of timed ? Object.keys(COSTS) : []) {
    const radio = html("input", { type: "radio", name: "cost", id: `cost-${name}` });
    const most = writeAmount(costRange(COSTS[name])[1], COSTS[name]);
    radio.addEventListener("change", () => asked({ name, budget: most }));
    $("costs").append(html("label", {}, radio, ` ${COSTS[name].label} `));
  }
  $("costs").hidden = !timed;
  $("budget").addEventListener("input", () => {
    const cost = COSTS[state.name], [low, high] = costRange(cost);
    const value = low + (high - low) * $("budget").value / 500;
    asked({ budget: writeAmount(cost.whole ? Math.round(value) : value, cost) });
  });
  tasks.forEach((task, i) => {
    const slider = html("input", { type: "range", min: -3, max: 3, step: 0.25 });
    slider.addEventListener("input", () => {
      const weight = Number((2 ** slider.value).toPrecision(3));
      asked({ weights: state.weights.map((old, at) => (at === i ? weight : old)) });
    });
    $("weights").append(html("label", { class: "row" }, html("b", {}, task.name), slider, html("output")));
  });
  $("reset").addEventListener("click", () => { asked({ weights: tasks.map(() => 1) }); writeState(); });
  // Not while a slider moves: browsers refuse an address that changes too often.
  $("ask").addEventListener("change", writeState);
}

function asked(change) {
  state = { ...state, ...change, pin: null };
  render();
}

function drawControls(cost, limit) {
  const [low, high] = costRange(cost);
  if (timed) $(`cost-${state.name}`).checked = true;
  $("limit").textContent = `${state.budget} ${state.name === "macs" ? cost.label : ""}`;
  $("budget").value = high > low ? (limit - low) / (high - low) * 500 : 500;
  $("budget").setAttribute("aria-valuetext", state.budget);
  [...$("weights").children].forEach((row, i) => {
    row.querySelector("input").value = Math.log2(state.weights[i]);
    row.querySelector("input").setAttribute("aria-valuetext", state.weights[i]);
    row.querySelector("output").textContent = digits(state.weights[i]);
  });
}

function render() {
  const cost = COSTS[state.name], limit = readAmount(state.budget, cost), scores = scoresOf(state.weights);
  const chosen = choose(scores, cost, limit), view = { cost, limit, scores, chosen, shown: state.pin ?? chosen };
  view.ladder = ladder(scores, cost);
  drawControls(cost, limit);
  drawCard(view);
  drawChart(charts[0], scores, 1, view);
  tasks.forEach((task, i) =>
    drawChart(charts[i + 1], entries.map(entry => entry.values[i]), task.higher_is_better ? 1 : -1, view));
  const score = chosen && showBeside(chosen, scores);
  const answer = chosen ? `subnet ${chosen.number} of ${entries.length}, score ${score}` : "nothing fits";
  $("said").textContent = `Within ${state.budget} ${state.name === "macs" ? cost.label : "of latency"}: ${answer}`;
}

makeControls();
const charts = [makeChart($("score"), "Score over cost", "with these weights, as `pliant plan` has it", "var(--ink)"),
  ...tasks.map(task => makeChart($("panels"), task.name,
    `${showMetric(task)} (${task.higher_is_better ? "higher" : "lower"} is better)`, task.color))];
state = readState();
render();
addEventListener("resize", render);
addEventListener("hashchange", () => { state = readState(); render(); });
