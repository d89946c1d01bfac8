import { expect, it } from 'vitest'
import * as z from 'zod'
import { compareContracts } from '../../../../../bridge/cli/contract/compare-contracts.ts'
import { readAllDeployed, readDeployed, storeContract } from '../../../../../bridge/cli/contract/deployed-contracts.ts'
import { describeContract } from '../../../../../bridge/cli/contract/event-description.ts'
import { createTestBridge } from '../../../../../bridge/testing/index.ts'
import { findEvent } from '../../../../../sdk/contract/contract.ts'
import { bytes, defineEvents, event } from '../../../../../sdk/index.ts'

const first = describeContract(
  defineEvents({ 'orders.{id}': z.object({ total: z.number() }), 'files.{name}': bytes() }),
)
const second = describeContract(
  defineEvents({
    'orders.{id}': event(z.object({ cents: z.number() }), {
      version: 2,
      upgrade: { 1: (old: { total: number }) => ({ cents: old.total * 100 }) },
    }),
  }),
)

it('keeps deployments by name, the last one first, and reads all without their source', async () => {
  await using bridge = createTestBridge()
  const transport = bridge.transport()
  await expect(readAllDeployed(transport)).rejects.toThrow('run "spanwire streams apply" first')
  expect(await readDeployed(transport, 'shop')).toBeUndefined()
  const store = (name: string, events: typeof first) => storeContract(transport, { name, events, replicas: undefined })
  expect(await store('shop', first)).toBe('stored')
  expect(await store('shop', first)).toBe('unchanged')
  expect(await readDeployed(transport, 'shop')).toMatchObject({ name: 'shop', events: first })
  expect(await store('shop', second)).toBe('stored')
  expect(await store('disk', first.slice(1))).toBe('stored')
  const all = await readAllDeployed(transport)
  expect(Object.keys(all).toSorted()).toEqual(['files.{name}', 'orders.{id}'])
  expect(findEvent(all, 'orders.{id}').version).toBe(2)
  expect(findEvent(all, 'files.{name}').codec.contentType).toBe('application/octet-stream')
  await expect(store('a.b', first)).rejects.toThrow('--name is "a.b"')
})

it('does not read a format that it does not know', async () => {
  await using bridge = createTestBridge()
  const transport = bridge.transport()
  await storeContract(transport, { name: 'a', events: first, replicas: undefined })
  await transport.publish('$KV.SPANWIRE_CONTRACTS.a', new TextEncoder().encode('{"format":2,"events":[]}'))
  await bridge.settle()
  await expect(readDeployed(transport, 'a')).rejects.toThrow('has the format 2: use a newer Spanwire')
})

it('a breaking change is fine with a new version, and a lower version is not', () => {
  const [breaking, upgraded] = [
    describeContract(defineEvents({ 'orders.{id}': z.object({ cents: z.number() }) })),
    second,
  ]
  const orders = first.slice(0, 1)
  expect(compareContracts(orders, breaking)).toMatchObject([{ verdict: 'narrowed and widened' }])
  expect(compareContracts(orders, upgraded)).toMatchObject([
    {
      verdict: 'changed',
      breaks: [],
      notes: expect.arrayContaining(['version 1 -> 2: deploy subscribers before publishers']),
    },
  ])
  expect(compareContracts(upgraded, breaking)).toMatchObject([
    { breaks: [{ affects: 'publishers', reason: expect.stringContaining('its version was 2, and is 1') }] },
  ])
})
