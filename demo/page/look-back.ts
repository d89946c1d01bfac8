import { element } from './element.ts'

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })

/**
 * The slider under the map that selects the start of the replay. Time runs from left to right, and the right end is now.
 * The thumb follows the replay.
 */
export class LookBack {
  readonly #slider = element<HTMLInputElement>('back')
  readonly #text = element('back-text')
  #isHeld = false

  /** @param chosen called with the start of the replay, in ms before now */
  constructor(chosen: (back: number) => void) {
    this.#slider.addEventListener('pointerdown', () => {
      this.#isHeld = true
    })
    for (const type of ['pointerup', 'pointercancel'])
      this.#slider.addEventListener(type, () => {
        this.#isHeld = false
      })
    this.#slider.addEventListener('input', () => this.#say(describe(this.#secondsAgo)))
    this.#slider.addEventListener('change', () => {
      this.#isHeld = false
      chosen(this.#secondsAgo * 1_000)
    })
    this.live()
  }

  get #secondsAgo(): number {
    return -Number(this.#slider.value)
  }

  /** Shows the time of a replayed event. */
  replaying(time: number, now: number): void {
    if (this.#isHeld) return
    this.#slider.value = String((time - now) / 1_000)
    this.#say(`Replay of ${clock.format(time)}`)
  }

  /** Shows that events are live. */
  live(): void {
    if (this.#isHeld) return
    this.#slider.value = '0'
    this.#say('Live')
  }

  #say(text: string): void {
    if (this.#text.textContent === text) return
    this.#text.textContent = text
    this.#slider.setAttribute('aria-valuetext', text)
  }
}

function describe(seconds: number): string {
  if (seconds === 0) return 'Live'
  return `From ${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')} min ago`
}
