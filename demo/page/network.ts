import type { WebSocketOptions } from '../../sdk/index.ts'

type Open = NonNullable<WebSocketOptions['openSocket']>

/** The network of this page. Cut sockets fail without a close frame, and replay fills the gap later. */
export class Network {
  readonly #sockets = new Set<WebSocket>()
  #isOn = true

  switch(isOn: boolean): void {
    this.#isOn = isOn
    if (!isOn) for (const socket of this.#sockets) socket.close()
    // A browser emits this event when the network is back. The client then dials at once.
    else dispatchEvent(new Event('online'))
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
