// Curves that answer to the pointer: values at the cursor, a line hidden by a click on its name, a part of the
// axis by dragging (a double click shows all of it again).
for (const box of document.querySelectorAll('.chart')) {
  const panel = JSON.parse(box.querySelector('script').textContent)
  const ink = getComputedStyle(document.body).color
  const faint = getComputedStyle(document.body).getPropertyValue('--rule')
  const axis = label => ({ label, stroke: ink, grid: { stroke: faint, width: 1 }, ticks: { stroke: faint } })
  const shown = (plot, value) => value == null ? '' : String(+value.toPrecision(5))
  const look = {
    raw: color => ({ stroke: color + '66', width: 1, points: { show: false } }),
    line: color => ({ stroke: color, width: 2, points: { show: false } }),
    held: color => ({ stroke: color, fill: color, width: 0, paths: () => null, points: { show: true, size: 7, fill: color } }),
  }
  const series = [{ label: panel.x, value: shown }]
  const tables = []
  for (const { label, kind, color, dash, x, y } of panel.series) {
    series.push({ label, value: shown, spanGaps: true, dash, ...look[kind](color) })
    tables.push([x, y])
  }
  const size = () => ({ width: box.clientWidth, height: Math.max(280, Math.min(460, box.clientWidth * 0.45)) })
  const plot = new uPlot({
    ...size(), series, axes: [axis(panel.x), axis(panel.y)], scales: { x: { time: false } },
    cursor: { focus: { prox: 24 } }, focus: { alpha: 0.35 },
  }, uPlot.join(tables), box)
  addEventListener('resize', () => plot.setSize(size()))
}
