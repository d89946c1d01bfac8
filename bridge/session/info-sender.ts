import { encodeInfo } from '../../sdk/wire/server-op.ts'
import { withOrigin } from '../delivery/origin-header.ts'
import type { SendQueue } from '../delivery/send-queue.ts'
import type { Credentials } from './credentials.ts'
import type { SessionHub } from './session-hub.ts'

/** Sends INFO to one client, and knows the limit that it states. */
export class InfoSender {
  readonly #hub: Pick<SessionHub, 'info' | 'limits' | 'upstream'>
  readonly #credentials: Credentials
  readonly #sendQueue: SendQueue
  /** The parts of the last INFO that can change. */
  #last: string | undefined

  constructor(hub: Pick<SessionHub, 'info' | 'limits' | 'upstream'>, credentials: Credentials, sendQueue: SendQueue) {
    this.#hub = hub
    this.#credentials = credentials
    this.#sendQueue = sendQueue
  }

  /** Largest header block and payload together, in bytes. With `echo: false` the connection id is part of the headers. */
  get maxPayload(): number {
    const { limits, upstream } = this.#hub
    const max = Math.min(limits.maxPayload, upstream.maxPayload)
    const { id, flags } = this.#credentials.client
    return flags.echo ? max : Math.min(max, upstream.maxPayload - withOrigin(undefined, id).length)
  }

  /** Sends INFO if it has changed: with the state of the upstream, and when the hub is about to shut down. */
  send(): void {
    const { client, nonce } = this.#credentials
    const info = { ...this.#hub.info(client.id, nonce), max_payload: this.maxPayload }
    const changing = `${info.edge?.upstream} ${info.ldm} ${info.max_payload}`
    if (changing === this.#last) return
    this.#last = changing
    this.#sendQueue.write(encodeInfo(info))
  }
}
