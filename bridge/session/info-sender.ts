import { encodeInfo } from '../../sdk/wire/server-op.ts'
import { growthOfHeaders } from '../delivery/client-headers.ts'
import { withOrigin } from '../delivery/origin-header.ts'
import type { SendQueue } from '../delivery/send-queue.ts'
import type { Credentials } from './credentials.ts'
import type { SessionHub } from './session-hub.ts'

/** Sends INFO to one client, and knows the limit that it states. */
export class InfoSender {
  readonly #hub: Pick<SessionHub, 'info' | 'limits' | 'upstream'>
  readonly #credentials: Credentials
  readonly #sendQueue: SendQueue
  readonly #address: string | undefined
  /** The parts of the last INFO that can change. */
  #last: string | undefined
  #lastMaxPayload = 0
  #isGreeted = false

  /** @param address of the client */
  constructor(
    hub: Pick<SessionHub, 'info' | 'limits' | 'upstream'>,
    credentials: Credentials,
    sendQueue: SendQueue,
    address: string | undefined,
  ) {
    this.#hub = hub
    this.#credentials = credentials
    this.#sendQueue = sendQueue
    this.#address = address
  }

  /** Largest header block and payload together that the last INFO states, in bytes. */
  get maxPayload(): number {
    return this.#lastMaxPayload
  }

  /**
   * Sends INFO if it has changed: with the state and the version of the upstream, and when the hub is about to shut down.
   * Another `max_payload` alone waits for the first PONG: nats.go takes nothing but a PONG after its CONNECT.
   */
  send(): void {
    const { client, nonce } = this.#credentials
    const info = { ...this.#hub.info(client.id, nonce), max_payload: this.#currentMaxPayload }
    const changing = `${info.edge?.upstream} ${info.ldm} ${info.version} ${info.jetstream} ${info.api_lvl}`
    if (changing === this.#last && (info.max_payload === this.#lastMaxPayload || !this.#isGreeted)) return
    this.#last = changing
    this.#lastMaxPayload = info.max_payload
    this.#sendQueue.write(encodeInfo({ ...info, ...(this.#address && { client_ip: this.#address }) }))
  }

  /** The client was sent a PONG. */
  ponged(): void {
    if (this.#isGreeted) return
    this.#isGreeted = true
    this.send()
  }

  /** The bridge may add headers and a prefix to ids, which the broker counts. */
  get #currentMaxPayload(): number {
    const { limits, upstream } = this.#hub
    const { id, flags, scope } = this.#credentials.client
    const added = (flags.echo ? 0 : withOrigin(undefined, id).length) + growthOfHeaders(scope)
    return Math.min(limits.maxPayload, upstream.maxPayload - added)
  }
}
