import type { ConnectionStatus } from '../../sdk/index.ts'
import type { About } from '../routes.ts'
import { element } from './element.ts'
import { OutageLog } from './outage-log.ts'

const REFRESH = 500

/** The card with the outages that a visitor can try: a cut network, and the end of nats-server. */
export class Outage {
  readonly #network = element<HTMLButtonElement>('network')
  readonly #kill = element<HTMLButtonElement>('kill')
  readonly #outcome = element('outcome')
  readonly #initially = this.#outcome.textContent
  readonly log = new OutageLog()
  #isOn = true
  #problem = ''

  /** @param cut called with the new state of the network */
  constructor(cut: (isOn: boolean) => void) {
    this.#network.addEventListener('click', () => {
      this.#isOn = !this.#isOn
      this.#network.textContent = this.#isOn ? 'Cut the network' : 'Bring it back'
      cut(this.#isOn)
    })
    this.#kill.addEventListener('click', () => void this.#killNats())
    setInterval(() => this.#show(), REFRESH)
  }

  /** Whether the visitor has not cut the network. */
  get isOn(): boolean {
    return this.#isOn
  }

  status({ state }: ConnectionStatus): void {
    const wasDown = this.log.isDown
    this.log.status(state === 'open', Date.now())
    if (wasDown && !this.log.isDown) this.#kill.disabled = false
    this.#show()
  }

  /** Removes the second button unless the demo runs a nats-server of its own. */
  async offerKill(): Promise<void> {
    const about = await fetch('/demo/about').then((response) => (response.ok ? response.json() : {}))
    if ((about as Partial<About>).canKillNats) return
    this.#kill.hidden = true
    element('kill-text').textContent = 'Where this demo starts a nats-server of its own, you can kill it here.'
  }

  async #killNats(): Promise<void> {
    this.#kill.disabled = true
    const status = await fetch('/demo/kill-nats', { method: 'POST' }).then(
      (response) => response.status,
      () => 0,
    )
    this.#problem = status === 202 ? '' : `NATS was not killed (status ${status}).`
    if (this.#problem) this.#kill.disabled = false
    this.#show()
  }

  #show(): void {
    const text = this.#problem || (this.log.isDown ? this.#meanwhile() : (this.log.outcome ?? this.#initially))
    if (this.#outcome.textContent !== text) this.#outcome.textContent = text
  }

  #meanwhile(): string {
    return this.#isOn ? 'NATS is down. This page keeps its socket.' : 'Cut. Flights depart without this page.'
  }
}
