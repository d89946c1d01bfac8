import type { WebSocketOptions } from '../../sdk/index.ts'
import { element } from './element.ts'

type Open = NonNullable<WebSocketOptions['openSocket']>

/** A switch for the network of this page. Cut sockets fail without a close frame, and replay fills the gap later. */
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
      // A browser emits this event when the network is back. The client then dials at once.
      else dispatchEvent(new Event('online'))
      changed(this.#isOn)
    })
  }

  /** `openSocket` for `connect`. It throws while the network is cut. */
  readonly open: Open = (url) => {
    if (!this.#isOn) throw new Error('The network is cut.')
    const socket = new WebSocket(url)
    this.#sockets.add(socket)
    socket.addEventListener('close', () => this.#sockets.delete(socket))
    return socket as ReturnType<Open>
  }
}
