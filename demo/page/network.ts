import type { WebSocketOptions } from '../../sdk/index.ts'
import { element } from './element.ts'

type Open = NonNullable<WebSocketOptions['openSocket']>

/** The page's own network, with a switch: what is cut is cut without a word, and comes back with everything missed. */
export class Network {
  readonly #button = element<HTMLButtonElement>('network')
  readonly #sockets = new Set<WebSocket>()
  #isOn = true

  constructor(changed: (isOn: boolean) => void) {
    this.#button.addEventListener('click', () => {
      this.#isOn = !this.#isOn
      this.#button.setAttribute('aria-pressed', String(!this.#isOn))
      this.#button.setAttribute('aria-label', this.#isOn ? 'Cut the network' : 'Network is cut: bring it back')
      if (!this.#isOn) for (const socket of this.#sockets) socket.close()
      // What a browser says when the cable is back: the client dials at once.
      else dispatchEvent(new Event('online'))
      changed(this.#isOn)
    })
  }

  /** For `connect`: while the switch is off, nothing answers. */
  readonly open: Open = (url) => {
    if (!this.#isOn) throw new Error('The network is cut.')
    const socket = new WebSocket(url)
    this.#sockets.add(socket)
    socket.addEventListener('close', () => this.#sockets.delete(socket))
    return socket as ReturnType<Open>
  }
}
