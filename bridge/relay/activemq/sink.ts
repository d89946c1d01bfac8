import { decode } from '../../../sdk/wire/bytes.ts'
import { SpanwireError } from '../../../sdk/wire/errors.ts'
import type { ForeignSink, Outgoing } from '../foreign.ts'
import { toFrameHeaders } from './reserved-headers.ts'
import { type StompAddress, StompClient } from './stomp-client.ts'

/** The largest body that a sink reads, in bytes. It receives receipts and errors only. */
const MOST_BODY = 1024 * 1024

/** Opens a sink. @throws SpanwireError (as rejection) the errors of {@link ForeignTarget.openSink} */
export async function openStompSink(
  address: StompAddress,
  destination: string,
  as: 'text' | 'bytes' | undefined,
): Promise<ForeignSink> {
  const client = await StompClient.connect(address, MOST_BODY, { message() {}, ended() {} })
  return new StompSink(client, destination, as)
}

/** Sends messages, each confirmed by a receipt. */
class StompSink implements ForeignSink {
  readonly #client: StompClient
  readonly #destination: string
  readonly #as: 'text' | 'bytes' | undefined

  constructor(client: StompClient, destination: string, as: 'text' | 'bytes' | undefined) {
    this.#client = client
    this.#destination = destination
    this.#as = as
  }

  async send({ id, key, headers, time, payload, contentType }: Outgoing): Promise<void> {
    if (payload === null)
      throw new SpanwireError('broker-refused', 'STOMP has no tombstones. Remove "tombstone" from the relay.')
    const as = this.#as ?? (contentType === 'application/octet-stream' ? 'bytes' : 'text')
    const own = [
      ['destination', this.#destination],
      ['persistent', 'true'],
      ['content-type', contentType],
      ['amq-msg-type', as],
      // Receivers can drop repetitions by this header or by Spanwire-Id. JMS itself does not.
      ['correlation-id', id],
      ['spanwire-time', String(time)],
      ...(key === undefined ? [] : [['JMSXGroupID', decode(key)] as const]),
    ] as const
    await this.#client.confirm('SEND', [...own, ...toFrameHeaders(headers, own)], payload)
  }

  async close(): Promise<void> {
    await this.#client.disconnect()
  }
}
