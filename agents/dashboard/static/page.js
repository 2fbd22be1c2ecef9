"use strict";
// The slider of the time machine: what is shown comes from the server, which replays the journey.
const edit = document.getElementById("edit");
if (edit) {
  const hours = document.getElementById("hours");
  const slider = document.getElementById("slider");
  const machine = document.getElementById("machine");
  let asked = 0;
  let waiting;
  const replay = async () => {
    const query = new URLSearchParams(new FormData(edit));
    const number = ++asked;
    const answer = await fetch("/journey?part=machine&" + query);
    const text = await answer.text();
    if (number !== asked) return; // a later answer counts
    machine.innerHTML = text;
    history.replaceState(null, "", "/journey?" + query);
  };
  const soon = () => {
    clearTimeout(waiting);
    waiting = setTimeout(replay, 60);
  };
  slider.addEventListener("input", () => { hours.value = slider.value; soon(); });
  hours.addEventListener("input", () => { slider.value = hours.value; soon(); });
  document.getElementById("days").addEventListener("input", soon);
}

// A live topic: the server sends the figures of Now each second.
const now = document.getElementById("now");
if (now && now.dataset.events) {
  new EventSource(now.dataset.events).onmessage = (event) => {
    const busy = now.contains(document.activeElement) || !getSelection().isCollapsed;
    if (!busy) now.innerHTML = event.data;
  };
}
