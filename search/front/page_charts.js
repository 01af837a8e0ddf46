// Charts: made once, so that the focus stays where it is; drawn again whenever something changes.

function makeChart(host, name, detail, color) {
  const frame = svg("g"), steps = svg("path", { class: "steps" }), budget = svg("line", { class: "budget" });
  const dots = entries.map(() => svg("circle", { class: "dot", r: 4.5, role: "button" }));
  const marks = [svg("circle", { class: "mark chosen", r: 9 }), svg("circle", { class: "mark shown", r: 6.5 })];
  const plot = svg("svg", { class: "plot", role: "group", "aria-label": name },
    frame, budget, steps, ...dots, ...marks);
  const chart = { plot, frame, steps, budget, dots, marks, points: [] };
  const caption = html("figcaption", {}, html("strong", {}, name), " ", html("span", {}, detail));
  host.append(html("figure", colored(color), caption, plot));
  plot.addEventListener("pointermove", event => pointAt(nearest(chart, event), event.clientX, event.clientY));
  plot.addEventListener("pointerleave", () => pointAt(null));
  plot.addEventListener("click", event => pin(nearest(chart, event)));
  dots.forEach((dot, i) => {
    dot.addEventListener("focus", () => {
      const box = dot.getBoundingClientRect();
      pointAt(entries[i], box.x, box.y);
    });
    dot.addEventListener("blur", () => pointAt(null));
    dot.addEventListener("keydown", event => onKey(event, chart, entries[i]));
  });
  return chart;
}

function ticks(low, high, most) {
  const least = (high - low) / most, power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map(times => times * power).find(size => size >= least);
  const first = Math.ceil(low / step), count = Math.floor(high / step) - first + 1;
  return Array.from({ length: count }, (_, i) => Number(((first + i) * step).toPrecision(10)));
}

// `up` is -1 where lower values are better: the axis is turned, so that up is better everywhere.
function drawChart(chart, values, up, view) {
  const width = chart.plot.clientWidth, height = chart.plot.clientHeight;
  const [left, right, top, bottom] = [44, width - 10, 16, height - 34];
  const most = costRange(view.cost)[1] * 1.03, low = Math.min(...values), high = Math.max(...values);
  const room = (high - low) * 0.08 || Math.abs(high) * 0.05 || 1, span = high - low + 2 * room;
  const x = cost => left + (cost / most) * (right - left);
  const y = value => top + (up > 0 ? high + room - value : value - low + room) / span * (bottom - top);
  chart.points = entries.map(entry => [x(view.cost.of(entry)), y(values[entry.number - 1])]);
  const [unit, scale] = Object.entries(view.cost.units).find(([, size]) => most >= size) ?? ["", 1];
  const across = ticks(0, most / scale, width / 50), along = ticks(low - room, high + room, height / 45);
  chart.frame.replaceChildren(
    ...across.map(at => svg("line", { class: "grid", x1: x(at * scale), x2: x(at * scale), y1: top, y2: bottom })),
    ...along.map(at => svg("line", { class: "grid", x1: left, x2: right, y1: y(at), y2: y(at) })),
    ...across.map(at => words(x(at * scale), bottom + 14, "middle", at)),
    ...along.map(at => words(left - 6, y(at) + 4, "end", at)),
    words(right, height - 4, "end", [view.cost.label, unit].filter(Boolean).join(", ")),
  );
  const edge = Math.min(x(view.limit), right), point = entry => chart.points[entry.number - 1];
  for (const [name, value] of Object.entries({ x1: edge, x2: edge, y1: 4, y2: bottom }))
    chart.budget.setAttribute(name, value);
  const path = view.ladder.map((entry, i) => `${i ? "H" : "M"}${point(entry)[0]}${i ? "V" : ","}${point(entry)[1]}`);
  chart.steps.setAttribute("d", `${path.join("")}H${right}`);
  chart.dots.forEach((dot, i) => drawDot(dot, entries[i], chart.points[i], values[i], view));
  drawMark(chart.marks[0], view.chosen && view.chosen !== view.shown ? point(view.chosen) : null);
  drawMark(chart.marks[1], view.shown ? point(view.shown) : null);
}

function words(x, y, anchor, text) {
  return svg("text", { x, y, "text-anchor": anchor }, String(text));
}

function drawDot(dot, entry, [x, y], value, view) {
  const kinds = { best: view.ladder.includes(entry), over: view.cost.of(entry) > view.limit };
  for (const [name, on] of Object.entries(kinds)) dot.classList.toggle(name, on);
  dot.setAttribute("cx", x);
  dot.setAttribute("cy", y);
  const told = `subnet ${entry.number}, ${showMacs(entry.macs)} multiply-adds, ${showQuality(value)}`;
  dot.setAttribute("aria-label", told);
  // One stop of the tab key a chart; arrow keys go on from there.
  dot.setAttribute("tabindex", entry === (view.shown ?? entries[0]) ? 0 : -1);
}

function drawMark(mark, point) {
  mark.style.display = point ? "" : "none";
  if (point) ["cx", "cy"].forEach((name, i) => mark.setAttribute(name, point[i]));
}

function nearest(chart, event) {
  const box = chart.plot.getBoundingClientRect(), far = 22;
  const away = chart.points.map(([x, y]) => Math.hypot(box.x + x - event.clientX, box.y + y - event.clientY));
  const least = Math.min(...away);
  return least < far ? entries[away.indexOf(least)] : null;
}

function onKey(event, chart, entry) {
  const turn = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
  const order = byCost(COSTS[state.name]), next = turn && order[order.indexOf(entry) + turn];
  if (next) chart.dots[next.number - 1].focus();
  else if (event.key === "Enter" || event.key === " ") pin(entry);
  else if (event.key === "Escape") pointAt(null);
  if (turn || event.key === "Enter" || event.key === " ") event.preventDefault();
}

// One subnet under the pointer, or with the focus: told in words, and marked in every chart.
function pointAt(entry, x = 0, y = 0) {
  for (const chart of charts) chart.dots.forEach((dot, i) => dot.classList.toggle("near", entries[i] === entry));
  $("tip").hidden = !entry;
  if (!entry) return;
  $("tip").textContent = [
    `Subnet ${entry.number}, ${entry.precision}: score ${showScore(scoresOf(state.weights)[entry.number - 1])}`,
    `${showMacs(entry.macs)} multiply-adds, ${showBytes(entry.bytes)}`, `latency ${showLatency(entry.latency)}`,
    ...showWidths(entry), tasks.map((task, i) => `${task.name} ${showQuality(entry.values[i])}`).join(", "),
  ].join("\n");
  $("tip").style.left = 0;  // near the right edge it would be measured narrower than it may be
  const box = $("tip").getBoundingClientRect();
  $("tip").style.left = `${Math.max(4, Math.min(x + 14, document.documentElement.clientWidth - box.width - 4))}px`;
  $("tip").style.top = `${y + 14 + box.height > innerHeight ? Math.max(4, y - box.height - 14) : y + 14}px`;
}

function pin(entry) {
  state.pin = entry === state.pin ? null : entry;
  writeState();
  render();
}
