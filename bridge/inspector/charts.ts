import uPlot from 'uplot'
import { make } from '../page-kit/element.ts'

/** A line of a chart. */
export interface Line {
  readonly label: string
  /** Custom property with its color. */
  readonly color: '--brand' | '--late'
}

const HEIGHT = 180
const WINDOW = 15 * 60

/** A chart of the last 15 minutes. Its caption has the current values, for screen readers. */
export class Chart {
  readonly element: HTMLElement
  readonly #lines: readonly Line[]
  readonly #format: (value: number) => string
  readonly #canvas = make('div', 'canvas')
  readonly #caption = make('figcaption')
  #plot: uPlot | undefined
  #theme = ''

  constructor(title: string, lines: readonly Line[], format: (value: number) => string) {
    this.#lines = lines
    this.#format = format
    this.#canvas.ariaHidden = 'true'
    this.element = make('figure', 'card chart', make('h3', '', title), this.#caption, this.#canvas)
    new ResizeObserver(([entry]) => {
      if (entry && entry.contentRect.width > 0) this.#plot?.setSize({ width: entry.contentRect.width, height: HEIGHT })
    }).observe(this.#canvas)
  }

  /** @param times in s since 1970 @param values one list per line */
  show(now: number, times: readonly number[], values: ReadonlyArray<readonly number[]>): void {
    const parts = this.#lines.map(({ label, color }, index) => {
      const swatch = make('span', `swatch ${color.slice(2)}`)
      return make('span', 'key', swatch, `${label} `, make('b', '', this.#format(values[index]?.at(-1) ?? 0)))
    })
    this.#caption.replaceChildren(...parts)
    const data: uPlot.AlignedData = [[...times], ...values.map((line) => [...line])]
    const theme =
      getComputedStyle(document.documentElement).colorScheme +
      document.documentElement.dataset.theme +
      matchMedia('(prefers-color-scheme: dark)').matches
    if (theme !== this.#theme) {
      this.#theme = theme
      this.#plot?.destroy()
      this.#plot = undefined
    }
    const max = Math.max(4, ...values.flat())
    this.#plot ??= this.#create(data)
    this.#plot.batch(() => {
      this.#plot?.setData(data, false)
      this.#plot?.setScale('x', { min: now - WINDOW, max: now })
      this.#plot?.setScale('y', { min: 0, max: max * 1.1 })
    })
  }

  #create(data: uPlot.AlignedData): uPlot {
    const color = (name: string) => getComputedStyle(this.#caption).getPropertyValue(name)
    // Custom properties with light-dark() are resolved only as the value of a color.
    const resolve = (name: string) => {
      this.#canvas.style.color = `var(${name})`
      const resolved = getComputedStyle(this.#canvas).color
      this.#canvas.style.color = ''
      return resolved
    }
    const axis = { stroke: resolve('--soft'), grid: { stroke: resolve('--line'), width: 1 }, ticks: { show: false } }
    const font = `12px ${color('--sans') || 'sans-serif'}`
    return new uPlot(
      {
        width: this.#canvas.clientWidth || 300,
        height: HEIGHT,
        legend: { show: false },
        cursor: { show: false },
        scales: { x: { time: true } },
        axes: [
          { ...axis, font, space: 70, size: 28, values: (_, ticks) => ticks.map(clockOf) },
          { ...axis, font, size: 58, values: (_, ticks) => ticks.map(this.#format) },
        ],
        series: [
          {},
          ...this.#lines.map(({ label, color: name }) => ({
            label,
            stroke: resolve(name),
            width: 2,
            points: { size: 4 },
          })),
        ],
      },
      data,
      this.#canvas,
    )
  }
}

function clockOf(seconds: number): string {
  return new Date(seconds * 1_000).toTimeString().slice(0, 5)
}
