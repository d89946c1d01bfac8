import { element, make } from './element.ts'
import type { Figures } from './figures.ts'

const SPARK_HEIGHT = 16
const whole = new Intl.NumberFormat('en')

/** The four tiles. */
export class FiguresPanel {
  readonly #received = element('received')
  readonly #matched = element('matched')
  readonly #rate = element('rate')
  readonly #spark = element<SVGPolylineElement>('spark')
  readonly #p50 = element('p50')
  readonly #p99 = element('p99')
  readonly #samples = element('samples')

  show(figures: Figures, now: number): void {
    this.#received.textContent = whole.format(figures.received)
    this.#matched.textContent = `${whole.format(figures.matched)} on this filter`
    this.#rate.textContent = figures.rate(now).toFixed(1)
    this.#spark.setAttribute('points', sparkline(figures.perSecond.slice(0, -1)))
    milliseconds(this.#p50, figures.percentile(0.5))
    milliseconds(this.#p99, figures.percentile(0.99))
    this.#samples.title = `of the last ${figures.samples} events`
  }
}

function sparkline(counts: readonly number[]): string {
  const most = Math.max(4, ...counts)
  return counts
    .map((count, i) => `${i},${(SPARK_HEIGHT - 0.5 - (count / most) * (SPARK_HEIGHT - 1)).toFixed(1)}`)
    .join(' ')
}

function milliseconds(target: HTMLElement, value: number | undefined): void {
  if (value === undefined) target.textContent = '–'
  else target.replaceChildren(value < 10 ? value.toFixed(1) : whole.format(Math.round(value)), make('small', '', ' ms'))
}
