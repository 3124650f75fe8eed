// Reads a calendar from stdin with ical.js and node-ical and prints what each
// makes of it: {"ical.js": [event], "node-ical": [event]}, in order of uid.
import { text } from "node:stream/consumers";
import ICAL from "ical.js";
import nodeIcal from "node-ical";

const source = await text(process.stdin);
const byUID = (a, b) => (a.uid < b.uid ? -1 : 1);

const calendar = new ICAL.Component(ICAL.parse(source));
for (const zone of calendar.getAllSubcomponents("vtimezone")) ICAL.TimezoneService.register(zone);
const first = calendar.getAllSubcomponents("vevent").map((component) => {
  const e = new ICAL.Event(component);
  const times = [];
  const steps = e.isRecurring() ? e.iterator() : null;
  for (let t = steps ? steps.next() : e.startDate; t && times.length < 10; t = steps?.next()) times.push(t.toJSDate().toISOString());
  return { uid: e.uid, summary: e.summary, location: e.location, status: component.getFirstPropertyValue("status"), times };
});

const second = Object.values(nodeIcal.sync.parseICS(source)).filter((e) => e.type === "VEVENT").map((e) => ({
  uid: e.uid, summary: e.summary, location: e.location, status: e.status,
  times: e.rrule ? e.rrule.all((_, i) => i < 10).map((t) => new Date(t).toISOString()) : [e.start.toISOString()],
}));
console.log(JSON.stringify({ "ical.js": first.sort(byUID), "node-ical": second.sort(byUID) }));
