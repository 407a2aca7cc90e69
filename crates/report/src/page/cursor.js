// One cursor on all charts over time: pointing at a moment on one shows its values on all. The page says everything
// without it, in the tables behind the charts.
(() => {
  const charts = [...document.querySelectorAll("svg.area[data-seconds]")].map((area) => ({
    area,
    line: area.querySelector(".cursor"),
    readout: area.closest("figure").querySelector(".readout"),
    curves: [...area.querySelectorAll("path[data-places]")].map((path) => ({
      name: path.dataset.name,
      places: path.dataset.places.split(" ").map(Number),
      shown: path.dataset.shown.split("|"),
    })),
  }));
  const near = 12;
  let current = 0.5;

  const clock = (seconds) => {
    const whole = Math.abs(Math.round(seconds));
    const two = (n) => String(n).padStart(2, "0");
    const sign = seconds <= -0.5 ? "-" : "";
    const minutes = Math.floor(whole / 60);
    return minutes >= 60
      ? `${sign}${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`
      : `${sign}${minutes}:${two(whole % 60)}`;
  };
  const nearest = (places, at) => {
    let best = 0;
    places.forEach((place, i) => { if (Math.abs(place - at) < Math.abs(places[best] - at)) best = i; });
    return best;
  };
  const value = (curve, at) => {
    const i = nearest(curve.places, at);
    return Math.abs(curve.places[i] - at) <= near ? curve.shown[i] : "no data";
  };
  const show = (place) => {
    current = Math.min(1, Math.max(0, place));
    for (const { area, line, readout, curves } of charts) {
      const [from, to] = area.dataset.seconds.split(" ").map(Number);
      line.setAttribute("x1", `${current * 100}%`);
      line.setAttribute("x2", `${current * 100}%`);
      area.classList.add("live");
      const moment = document.createElement("b");
      moment.textContent = clock(from + current * (to - from));
      const parts = curves.map((curve) => ` · ${curve.name} ${value(curve, current * 1000)}`);
      readout.replaceChildren(moment, ...parts);
    }
  };
  const hide = () => charts.forEach(({ area, readout }) => { area.classList.remove("live"); readout.replaceChildren(); });
  const steps = { ArrowLeft: -0.01, ArrowRight: 0.01, PageDown: -0.1, PageUp: 0.1 };

  for (const { area } of charts) {
    area.addEventListener("pointermove", (event) => {
      const box = area.getBoundingClientRect();
      show((event.clientX - box.left) / box.width);
    });
    area.addEventListener("pointerleave", hide);
    area.addEventListener("focus", () => { if (area.matches(":focus-visible")) show(current); });
    area.addEventListener("blur", hide);
    area.addEventListener("keydown", (event) => {
      if (event.key === "Escape") hide();
      if (!(event.key in steps)) return;
      event.preventDefault();
      show(current + steps[event.key]);
    });
  }
})();
