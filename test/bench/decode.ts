/**
 * Costs of the SDK per small received event: `node test/bench/decode.ts`. Measures from the bytes of a WebSocket to the
 * handler, compared with `JSON.parse` and a call. A validating schema is measured separately. Figures are medians of
 * five interleaved runs.
 */
import { z } from 'zod'
import { connect, defineEvents, type StandardSchema, webSocket } from '../../sdk/index.ts'
import { encodeInfo, encodeMessage } from '../../sdk/wire/server-op.ts'
import { median } from './median.ts'

const EVENTS = 500_000
const PER_CHUNK = 256
const RUNS = 5

const payload = new TextEncoder().encode(JSON.stringify({ symbol: 'ACME', price: 12.5, size: 100 }))
const anything: StandardSchema<{ price: number }> = {
  '~standard': { version: 1, vendor: 'none', validate: (value) => ({ value: value as { price: number } }) },
}
const checked = z.object({ symbol: z.string(), price: z.number(), size: z.number() })

/** A server inside this process, which emits bytes in the form of a WebSocket. */
async function subscribed(schema: StandardSchema<{ price: number }>, heard: (price: number) => void) {
  const socket = {
    binaryType: '',
    onmessage: null as ((event: { data: ArrayBuffer }) => void) | null,
    onclose: null,
    send(bytes: Uint8Array) {
      const text = new TextDecoder().decode(bytes)
      for (const _ of text.match(/PING\r\n/g) ?? []) queueMicrotask(() => say(new TextEncoder().encode('PONG\r\n')))
    },
    close() {},
  }
  const say = (bytes: Uint8Array) => socket.onmessage?.({ data: bytes.slice().buffer as ArrayBuffer })
  const transport = webSocket({ url: 'ws://bench.test/nats', via: 'websocket', openSocket: () => socket })
  const bus = connect({ transport, events: defineEvents({ 'ticks.{id}': schema }) })
  await new Promise((resolve) => setTimeout(resolve, 10))
  say(encodeInfo({ server_id: 'x', version: '2.10.0', proto: 1, headers: true, max_payload: 1_048_576 } as never))
  await bus.on('ticks.{id}', ({ data }) => heard(data.price)).ready
  const chunk = Buffer.concat(Array.from({ length: PER_CHUNK }, () => encodeMessage('ticks.a', '1', payload)))
  const bytes = chunk.buffer.slice(chunk.byteOffset, chunk.byteOffset + chunk.length) as ArrayBuffer
  return () => socket.onmessage?.({ data: bytes })
}

const sums = { raw: 0, sdk: 0, checked: 0 }
const feedSdk = await subscribed(anything, (price) => {
  sums.sdk += price
})
const feedChecked = await subscribed(checked, (price) => {
  sums.checked += price
})
const decoder = new TextDecoder()
const handler = ({ price }: { price: number }) => {
  sums.raw += price
}
const kinds: Record<string, () => void> = {
  'JSON.parse and a call': () => {
    for (let i = 0; i < PER_CHUNK; i++) handler(JSON.parse(decoder.decode(payload)))
  },
  'SDK, no validation': feedSdk,
  'SDK, zod': feedChecked,
}
const times: Record<string, number[]> = {}
for (let run = 0; run <= RUNS; run++)
  for (const [name, feed] of Object.entries(kinds)) {
    const began = performance.now()
    for (let i = 0; i < EVENTS; i += PER_CHUNK) feed()
    // The first run warms up the compiler.
    if (run > 0) times[name] = [...(times[name] ?? []), performance.now() - began]
  }
const raw = median(times['JSON.parse and a call'] ?? [])
console.table(
  Object.fromEntries(
    Object.entries(times).map(([name, all]) => [
      name,
      {
        'events a second': Math.round(EVENTS / (median(all) / 1_000)),
        'ns for each': Math.round((median(all) / EVENTS) * 1e6),
        ratio: Number((median(all) / raw).toFixed(2)),
      },
    ]),
  ),
)
if (sums.sdk !== sums.checked || sums.sdk === 0) throw new Error(`Events were lost: ${JSON.stringify(sums)}`)
process.exit(0)
