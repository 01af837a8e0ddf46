"use strict";
const $ = id => document.getElementById(id);
const front = JSON.parse($("front").textContent), facts = JSON.parse($("facts").textContent);
// By index, not by name: JavaScript puts keys that look like numbers first.
const colors = facts.colors;
const tasks = facts.tasks.map((name, i) => ({ ...front.tasks[name], name, color: colors[i % colors.length] }));
const entries = front.entries.map((entry, index) => ({
  ...entry, number: index + 1, relative: facts.relative[index], precision: facts.precision[index], values: tasks.map(task => entry.quality[task.name]),
}));
const widest = entries[facts.widest];
const COSTS = {
  macs: { label: "multiply-adds", of: entry => entry.macs, whole: true, units: { G: 1e9, M: 1e6, k: 1e3, "": 1 } },
  latency: { label: "latency", of: entry => entry.latency.value, whole: false, units: { ms: 1 } },
};
const timed = entries.every(entry => entry.latency);

// The choice.

function scoresOf(weights) {
  return entries.map(entry => entry.relative.reduce((sum, share, i) => sum + weights[i] * share, 0));
}

function isBetter(a, b, scores) {
  const lead = scores[a.number - 1] - scores[b.number - 1] || b.macs - a.macs || b.bytes - a.bytes;
  return lead > 0;
}

function choose(scores, cost, limit) {
  return entries.filter(entry => cost.of(entry) <= limit)
    .reduce((best, entry) => (best && !isBetter(entry, best, scores) ? best : entry), null);
}

// What each budget buys: the subnets that are chosen as the budget grows.
function ladder(scores, cost) {
  const found = [];
  for (const entry of byCost(cost)) if (!found.length || isBetter(entry, found.at(-1), scores)) found.push(entry);
  return found;
}

function byCost(cost) {
  return [...entries].sort((a, b) => cost.of(a) - cost.of(b) || a.number - b.number);
}

// Budgets are kept as they are written on the command line, so that what is shown is what pliant would read.

function readAmount(text, cost) {
  const [, digits, unit] = /^([0-9.eE+-]+?) *([a-zA-Z]*)$/.exec(text) || [];
  const value = Number(digits) * (cost.units[unit] ?? 1);
  return cost.whole ? Math.floor(value) : value;
}

// Four digits, rounded up: a budget of exactly what a subnet needs must not exclude it.
function writeAmount(value, cost) {
  const units = Object.entries(cost.units);
  value = Math.max(value, cost.whole ? 1 : 1e-3);
  const [unit, scale] = units.find(([, size]) => value >= size) ?? units.at(-1);
  const step = 10 ** (Math.floor(Math.log10(value / scale)) - 3);
  for (let count = Math.floor(value / scale / step); ; count++) {
    const text = Number((count * step).toPrecision(4)) + unit;
    if (readAmount(text, cost) >= value) return text;
  }
}

function costRange(cost) {
  const values = entries.map(cost.of);
  return [Math.min(...values), Math.max(...values)];
}
