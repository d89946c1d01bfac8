/**
 * Cost of the contract per publish at the bridge: `node test/bench/contract.ts`. CPU time of one call of the gate for an event of
 * 100 bytes, in a contract of 100 events. Figures are medians of seven interleaved runs.
 */
import { z } from 'zod'
import { ContractGate } from '../../bridge/contract/contract-gate.ts'
import type { ContractOptions } from '../../bridge/contract/contract-options.ts'
import { Log } from '../../bridge/log/log.ts'
import { defineEvents, json, type StandardSchema } from '../../sdk/index.ts'
import { encodeHeaders } from '../../sdk/wire/headers.ts'
import { median } from './median.ts'

const CALLS = 100_000
const RUNS = 7

const order = z.object({ total: z.number(), currency: z.string(), lines: z.array(z.object({ sku: z.string() })) })
const payload = new TextEncoder().encode(
  JSON.stringify({ total: 12.5, currency: 'EUR', lines: [{ sku: 'ACME-1' }, { sku: 'ACME-2' }, { sku: 'ACME-3' }] }),
)
const headers = encodeHeaders([
  ['Nats-Msg-Id', 'k3f9a2b8c7d6e5f40'],
  ['Spanwire-Time', '1800000000000'],
])
const user = {
  user: 'ada',
  permissions: { publish: { allow: ['>'], deny: [] }, subscribe: { allow: ['>'], deny: [] } },
}

function gate(schema: StandardSchema, more: ContractOptions = {}): ContractGate {
  const names = Array.from({ length: 100 }, (_, n) => [`kind${n}.{id}.created`, schema] as const)
  return new ContractGate({ events: defineEvents(Object.fromEntries(names)), ...more }, new Log('off'))
}

const kinds = {
  'json(): no schema': gate(json()),
  zod: gate(order),
  'zod and authorize.publish': gate(order, { authorize: { publish: () => true } }),
}
const figures: Record<string, number[]> = {}
for (let run = 0; run < RUNS; run++)
  for (const [name, tested] of Object.entries(kinds)) {
    const before = process.cpuUsage()
    for (let i = 0; i < CALLS; i++)
      if (tested.publish(user, { subject: `kind${i % 100}.42.created`, headers, payload })) throw new Error('refused')
    const { user: spent, system } = process.cpuUsage(before)
    figures[name] = [...(figures[name] ?? []), (spent + system) / CALLS]
  }
console.table(
  Object.entries(figures).map(([kind, all]) => ({ kind, 'µs per publish': Number(median(all.slice(1)).toFixed(2)) })),
)
