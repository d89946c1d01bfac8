import { element } from './element.ts'

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })

/** The slider under the map that selects the start of the replay. */
export class LookBack {
  readonly #slider = element<HTMLInputElement>('back')
  readonly #text = element('back-text')

  /** @param chosen called with the start of the replay, in ms before now */
  constructor(chosen: (back: number) => void) {
    this.#slider.addEventListener('input', () => this.#say(describe(Number(this.#slider.value))))
    this.#slider.addEventListener('change', () => chosen(Number(this.#slider.value) * 1_000))
    this.#slider.value = '0'
    this.live()
  }

  /** Shows the time of a replayed event. */
  replaying(time: number): void {
    this.#say(`Replay of ${clock.format(time)}`)
  }

  /** Shows that events are live. */
  live(): void {
    if (this.#slider.value !== '0' && document.activeElement !== this.#slider) this.#slider.value = '0'
    this.#say('Live')
  }

  #say(text: string): void {
    if (this.#text.textContent !== text) this.#text.textContent = text
    this.#slider.setAttribute('aria-valuetext', text)
  }
}

function describe(seconds: number): string {
  if (seconds === 0) return 'Live'
  return `From ${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')} min ago`
}
